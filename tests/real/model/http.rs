//! As much of HTTP/1.1 as a model server on loopback needs: one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result};
use serde_json::Value;

/// A request.
pub(crate) struct Request {
    /// Its path with the query.
    pub(crate) path: String,
    /// Its body; null where it is no JSON.
    pub(crate) body: Value,
}

/// One event of a stream.
pub(crate) struct Event {
    /// Its name, if its protocol names events.
    pub(crate) name: Option<&'static str>,
    /// Its data.
    pub(crate) data: String,
    /// Whether it is a part of the text of an answer.
    pub(crate) is_text: bool,
}

pub(crate) fn read(stream: &TcpStream) -> Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).context("this is no request")?.to_owned();
    let (mut length, mut chunked, mut waits) = (0, false, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_lowercase();
        match header.split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse()?,
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(("expect", _)) => waits = true,
            Some(_) => {}
            None => break,
        }
    }
    if waits {
        let mut stream = stream;
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = Vec::new();
    if chunked {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size)?;
            let size = u64::from_str_radix(size.trim().split(';').next().unwrap_or("0"), 16)?;
            (&mut reader).take(size).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
    } else {
        reader.take(length).read_to_end(&mut body)?;
    }
    Ok(Request { path, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
}

pub(crate) fn json(stream: &mut TcpStream, status: u16, body: &Value) -> Result<()> {
    let body = body.to_string();
    let head =
        format!("HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    Ok(stream.write_all(format!("{head}{body}").as_bytes())?)
}

pub(crate) fn begin_stream(stream: &mut TcpStream) -> Result<()> {
    Ok(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\nconnection: close\r\n\r\n")?)
}

pub(crate) fn event(stream: &mut TcpStream, event: &Event) -> Result<()> {
    let name = event.name.map(|name| format!("event: {name}\n")).unwrap_or_default();
    Ok(stream.write_all(format!("{name}data: {}\n\n", event.data).as_bytes())?)
}
