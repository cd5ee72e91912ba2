//! Tests from outside: files, processes and terminals as they are.
#![cfg(test)]

mod architecture;
mod cli;
mod convergence;
mod examples;
mod faults;
mod host;
mod keeper;
mod manifest;
mod reality;
mod schemas;
mod standin;
mod state;
mod support;
