//! Servers of the tests at the socket: each connection in a thread of its own, one request a
//! connection. What is answered is for others to say.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// An address at which nothing listens.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Takes connections at an address, or at one of its own, until the tests end; gives back where.
pub fn listen(
    address: Option<SocketAddr>,
    handle: impl Fn(TcpStream) -> Option<()> + Send + Sync + 'static,
) -> SocketAddr {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(address.unwrap_or(anywhere)).expect("the port is free");
    let address = listener.local_addr().expect("an address");
    let handle = Arc::new(handle);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let handle = Arc::clone(&handle);
            std::thread::spawn(move || handle(client));
        }
    });
    address
}

/// The lines of a request before its body, each with its end; nothing where the client went.
pub fn read_head(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|length| *length > 0)?;
        if line.trim().is_empty() {
            return Some(lines);
        }
        lines.push(line);
    }
}

/// A request, read to its end: who closes with some of it unread resets, and the answer is lost.
pub struct Request {
    /// `GET /api/v1/pods?watch=true`.
    pub line: String,
    pub body: Vec<u8>,
    head: Vec<String>,
    pub client: TcpStream,
}

impl Request {
    /// Reads one; nothing where the client went before its end.
    pub fn read(client: TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let head = read_head(&mut reader)?;
        let line = head.first()?.trim().trim_end_matches(" HTTP/1.1");
        let mut this = Self {
            line: line.to_owned(),
            body: Vec::new(),
            head,
            client,
        };
        let length = this.header("content-length").map(str::parse);
        this.body = vec![0; length.transpose().ok()?.unwrap_or(0)];
        reader.read_exact(&mut this.body).ok()?;
        Some(this)
    }

    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Writes an answer; `headers` are lines with their ends.
pub fn answer(client: &mut TcpStream, code: u16, headers: &str, body: &str) -> io::Result<()> {
    let length = format!("{headers}Content-Length: {}\r\n", body.len());
    begin(client, code, &length)?;
    client.write_all(body.as_bytes())
}

/// Writes an answer as far as its body.
pub fn begin(client: &mut TcpStream, code: u16, headers: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {code} X\r\nConnection: close\r\n{headers}\r\n");
    client.write_all(head.as_bytes())
}

/// The body of an answer whose length is not known at its beginning. One that is dropped has broken
/// off.
pub struct Chunked<'a>(&'a mut TcpStream);

impl<'a> Chunked<'a> {
    /// Writes what comes before the body, as an API server does that sends an id with every answer.
    pub fn begin(client: &'a mut TcpStream) -> io::Result<Self> {
        let headers = "Audit-Id: 1\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n";
        begin(client, 200, headers)?;
        Ok(Self(client))
    }

    pub fn write(&mut self, text: &str) -> io::Result<()> {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.0.write_all(chunk.as_bytes())
    }

    /// Ends it in good order.
    pub fn end(self) -> io::Result<()> {
        self.0.write_all(b"0\r\n\r\n")
    }
}
