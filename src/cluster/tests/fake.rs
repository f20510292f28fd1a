//! A fake API server: answers each request by a script, one request a connection.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::{Message, protocol::Role};

use super::super::audit::AuditIds;
use super::super::client::{Cluster, ServerInfo};
use super::super::connect::install_crypto;
use super::super::connector;
use super::super::credentials::Credentials;
use super::super::transport::Transport;

/// What the server answers to one request.
pub(super) enum Answer {
    /// A document.
    Json(u16, Value),
    /// A document with a header.
    WithHeader(u16, &'static str, &'static str, Value),
    /// A text as it is, with lines of headers.
    Text(u16, &'static str, &'static str),
    /// The same, after an informational answer (103) with these lines of headers.
    Hinted(&'static str, u16, &'static str, &'static str),
    /// The beginning of a watch: an event a line.
    Events(Vec<Value>, Then),
    /// A body in pieces.
    Chunks(u16, Vec<Vec<u8>>, Then),
    /// A WebSocket that sends these frames.
    Exec(Vec<Vec<u8>>, Then),
    /// A WebSocket that sends these frames: the first two at once, the others when a frame came in.
    Forward(Vec<Vec<u8>>, Then),
    /// A WebSocket that sends stdin back as stdout when it is closed.
    Echo,
    /// Nothing at all.
    Nothing(Then),
}

/// What becomes of the connection then.
#[derive(Clone, Copy)]
pub(super) enum Then {
    /// It is closed as the protocol says.
    Close,
    /// It ends without a word.
    Drop,
    /// It is reset.
    Reset,
    /// It stays, and nothing comes.
    Hang,
}

/// A request as the script sees it.
pub(super) struct Asked {
    /// `GET /version`, with the query.
    pub(super) line: String,
    /// All of the head, headers included.
    pub(super) head: String,
    /// How many requests with the same method and path, query apart, there were before.
    pub(super) before: usize,
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub(super) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let counts = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
        let script = Arc::new(script);
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, counts, kept) = (script.clone(), counts.clone(), kept.clone());
                tokio::spawn(async move {
                    let Some((stream, head)) = read_request(stream).await else {
                        return;
                    };
                    let line = head.lines().next().unwrap_or_default();
                    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
                    let path = line.split('?').next().unwrap_or_default().to_owned();
                    let before = {
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry(path).or_default();
                        *count += 1;
                        *count - 1
                    };
                    kept.lock().unwrap().push(line.clone());
                    let asked = Asked { line, head, before };
                    answer(stream, &asked.head, script(&asked)).await;
                });
            }
        });
        Self { address, requests }
    }

    /// The requests so far, in order: `GET /version`.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// A connection to it that gives one request two seconds.
    pub(super) fn cluster(&self) -> Cluster {
        cluster_at(self.address)
    }
}

/// A connection to whatever is at an address.
pub(super) fn cluster_at(address: SocketAddr) -> Cluster {
    install_crypto();
    let url = format!("http://{address}");
    let mut config = kube::Config::new(url.parse().unwrap());
    config.connect_timeout = Some(Duration::from_secs(2));
    let credentials = Arc::new(Credentials::none());
    let audit_ids = Arc::new(AuditIds::default());
    audit_ids.learn_version(1, 34);
    let transport = Transport {
        client: connector::client(&config, Vec::new(), credentials, audit_ids).unwrap(),
        request_timeout: Duration::from_secs(2),
        patience: Duration::from_secs(3),
        watch_time: Duration::from_secs(1),
        trouble: Arc::default(),
        clock: Arc::default(),
    };
    let server = ServerInfo {
        kubeconfig: "test".to_owned(),
        context: None,
        server: url,
        version: "v1.34.0".to_owned(),
        major: 1,
        minor: 34,
        user: "test".to_owned(),
        default_namespace: "default".to_owned(),
    };
    Cluster::new(transport, None, server)
}

/// Reads the head, and the body by its length.
async fn read_request(mut stream: TcpStream) -> Option<(TcpStream, String)> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = header(head, "content-length").and_then(|l| l.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some((stream, head.to_owned()));
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

async fn answer(mut stream: TcpStream, head: &str, answer: Answer) {
    match answer {
        Answer::Json(code, body) => document(&mut stream, code, "", &body).await,
        Answer::WithHeader(code, name, value, body) => {
            document(&mut stream, code, &format!("{name}: {value}\r\n"), &body).await;
        }
        Answer::Text(code, headers, body) => plain(&mut stream, code, headers, body).await,
        Answer::Hinted(hints, code, headers, body) => {
            let early = format!("HTTP/1.1 103 Early Hints\r\n{hints}\r\n");
            let _ = stream.write_all(early.as_bytes()).await;
            plain(&mut stream, code, headers, body).await;
        }
        Answer::Events(events, then) => {
            let lines = events.iter().map(|event| format!("{event}\n").into_bytes());
            chunks(stream, 200, &lines.collect::<Vec<_>>(), then).await;
        }
        Answer::Chunks(code, bodies, then) => chunks(stream, code, &bodies, then).await,
        Answer::Forward(frames, then) => {
            let mut socket = upgrade(stream, head).await;
            for (number, frame) in frames.into_iter().enumerate() {
                if number == 2 {
                    let _asked = socket.next().await;
                }
                socket.send(Message::binary(frame)).await.unwrap();
            }
            if matches!(then, Then::Close) {
                let _ = socket.close(None).await;
            }
            end(socket.into_inner(), then).await;
        }
        Answer::Exec(frames, then) => {
            let mut socket = upgrade(stream, head).await;
            for frame in frames {
                socket.send(Message::binary(frame)).await.unwrap();
            }
            if matches!(then, Then::Close) {
                let _ = socket.close(None).await;
            }
            end(socket.into_inner(), then).await;
        }
        Answer::Echo => {
            let mut socket = upgrade(stream, head).await;
            let mut output = vec![1];
            while let Some(Ok(Message::Binary(frame))) = socket.next().await {
                match frame.split_first() {
                    Some((0, bytes)) => output.extend_from_slice(bytes),
                    Some((255, [0])) => break,
                    other => panic!("not stdin: {other:?}"),
                }
            }
            socket.send(Message::binary(output)).await.unwrap();
            let status = b"\x03{\"status\":\"Success\"}".to_vec();
            socket.send(Message::binary(status)).await.unwrap();
            let _ = socket.close(None).await;
        }
        Answer::Nothing(then) => end(stream, then).await,
    }
}

async fn chunks(mut stream: TcpStream, code: u16, bodies: &[Vec<u8>], then: Then) {
    let mut text = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for body in bodies {
        text.extend(format!("{:x}\r\n", body.len()).into_bytes());
        text.extend(body);
        text.extend(b"\r\n");
    }
    if matches!(then, Then::Close) {
        text.extend(b"0\r\n\r\n");
    }
    stream.write_all(&text).await.unwrap();
    end(stream, then).await;
}

async fn plain(stream: &mut TcpStream, code: u16, headers: &str, body: &str) {
    let text = format!(
        "HTTP/1.1 {code} X\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn document(stream: &mut TcpStream, code: u16, headers: &str, body: &Value) {
    let body = body.to_string();
    let text = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn upgrade(mut stream: TcpStream, head: &str) -> WebSocketStream<TcpStream> {
    let key = header(head, "sec-websocket-key").unwrap();
    let text = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: v5.channel.k8s.io\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.as_bytes())
    );
    stream.write_all(text.as_bytes()).await.unwrap();
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

async fn end(stream: TcpStream, then: Then) {
    match then {
        Then::Close | Then::Drop => drop(stream),
        Then::Reset => {
            stream.set_zero_linger().unwrap();
            drop(stream);
        }
        Then::Hang => std::future::pending().await,
    }
}
