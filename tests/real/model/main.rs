//! A small model server on loopback, for real agent programs without a network: it speaks as much of four protocols as they need for one turn.
//!
//! What it answers depends on a word in the last text of the person: `SLOW` streams for ten seconds, `TOOL` asks for a shell command first, `AUTH`
//! refuses the key. Every other text gets one short answer. Each text that arrived is appended to `--log` as a line of JSON.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Value, json};

mod answer;
mod http;
mod protocol;

use answer::Turn;
use http::Request;

/// A small model server for real agent programs.
#[derive(Parser)]
struct Args {
    /// The port on 127.0.0.1; 0 is any free one, which is printed
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where each text that arrived is appended as a line of JSON
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
}

fn main() -> Result<()> {
    let args = Arc::new(Args::parse());
    let listener = TcpListener::bind(("127.0.0.1", args.port)).context("cannot listen on loopback")?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?.port())?;
    for stream in listener.incoming() {
        let (stream, args) = (stream?, Arc::clone(&args));
        thread::spawn(move || {
            // A program that hangs up has seen enough.
            let _ = serve(stream, &args);
        });
    }
    Ok(())
}

/// Answers the one request of a connection.
fn serve(mut stream: TcpStream, args: &Args) -> Result<()> {
    stream.set_nodelay(true)?;
    let request = http::read(&stream)?;
    let Some(protocol) = protocol::of(&request.path) else { return http::json(&mut stream, 200, &json!({ "data": [], "models": [] })) };
    let turn = Turn::of(&request.body);
    log(args, &request, &turn)?;
    if turn.refuses_the_key() {
        return http::json(&mut stream, 401, &protocol.refusal());
    }
    if !protocol.streams(&request) {
        return http::json(&mut stream, 200, &protocol.whole(&turn));
    }
    http::begin_stream(&mut stream)?;
    for event in protocol.events(&turn) {
        http::event(&mut stream, &event)?;
        if event.is_text && turn.is_slow() {
            thread::sleep(Duration::from_millis(400));
        }
    }
    Ok(())
}

fn log(args: &Args, request: &Request, turn: &Turn) -> Result<()> {
    let line: Value = json!({ "path": request.path, "text": turn.text, "tools": turn.has_tools, "result": turn.has_result });
    let mut file = OpenOptions::new().create(true).append(true).open(&args.log)?;
    // One write a line: several connections write here.
    Ok(file.write_all(format!("{line}\n").as_bytes())?)
}
