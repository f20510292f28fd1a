//! A plain HTTP proxy before `kubectl proxy`, which holds the certificates: what becomes of each
//! request is for the test to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::api_server;
use crate::support::server;

/// `kubectl proxy` at work: the API server without certificates.
struct KubectlProxy {
    /// `127.0.0.1:37621`.
    address: String,
    process: Child,
}

impl KubectlProxy {
    fn start(arguments: &[&str]) -> Self {
        let mut kubectl =
            Command::new(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/cluster"))
                .args(["kubectl", "proxy", "--port=0"])
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                // of its own, so that the script and what it starts end together
                .process_group(0)
                .spawn()
                .expect("kubectl proxy");
        let mut line = String::new();
        BufReader::new(kubectl.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        // Starting to serve on 127.0.0.1:37621
        let address = line
            .rsplit(' ')
            .next()
            .map(str::trim)
            .filter(|address| address.contains(':'))
            .unwrap_or_else(|| panic!("kubectl proxy says {line:?}"))
            .to_owned();
        Self {
            address,
            process: kubectl,
        }
    }
}

impl Drop for KubectlProxy {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", "--", &format!("-{}", self.process.id())])
            .status();
        let _ = self.process.wait();
    }
}

/// Both proxies at work.
pub struct Relay {
    port: u16,
    _kubectl: KubectlProxy,
}

impl Relay {
    /// With arguments of `kubectl proxy`. Each exchange is handled in a thread of its own, with its
    /// number, 0-based.
    pub fn start(
        arguments: &[&str],
        handle: impl Fn(u64, Exchange) -> Option<()> + Send + Sync + 'static,
    ) -> Self {
        let kubectl = KubectlProxy::start(arguments);
        let upstream = kubectl.address.clone();
        let numbers = AtomicU64::new(0);
        let address = server::listen(None, move |client| {
            let number = numbers.fetch_add(1, Ordering::SeqCst);
            handle(number, Exchange::read(client, upstream.clone())?)
        });
        Self {
            port: address.port(),
            _kubectl: kubectl,
        }
    }

    /// One that leads to it.
    pub fn kubeconfig(&self) -> String {
        api_server::kubeconfig(&format!("http://127.0.0.1:{}", self.port))
    }
}

/// A request up to its body, and where it came from.
pub struct Exchange {
    /// `GET /api/v1/pods HTTP/1.1`.
    pub line: String,
    head: String,
    reader: BufReader<TcpStream>,
    client: TcpStream,
    upstream: String,
}

impl Exchange {
    /// Takes the connection for one request alone, so that bodies need not be understood, watches
    /// among them; an upgrade is left as it is.
    fn read(client: TcpStream, upstream: String) -> Option<Self> {
        let mut reader = BufReader::new(client.try_clone().ok()?);
        let mut lines = server::read_head(&mut reader)?;
        let is_header = |line: &str, name: &str| line.to_lowercase().starts_with(name);
        if !lines.iter().any(|line| is_header(line, "upgrade:")) {
            lines.retain(|line| !is_header(line, "connection:"));
            lines.push("Connection: close\r\n".to_owned());
        }
        Some(Self {
            line: lines.first()?.trim().to_owned(),
            head: lines.concat() + "\r\n",
            reader,
            client,
            upstream,
        })
    }

    /// Hands the request on, and its answer.
    pub fn forward(self) -> Option<()> {
        self.forward_cut_off(u64::MAX)
    }

    /// Hands the request on, and so many bytes of the answer.
    pub fn forward_cut_off(mut self, length: u64) -> Option<()> {
        let mut server = TcpStream::connect(&self.upstream).ok()?;
        server.write_all(self.head.as_bytes()).ok()?;
        let mut to_server = server.try_clone().ok()?;
        let mut reader = self.reader;
        let body = std::thread::spawn(move || {
            copy(&mut reader, &mut to_server);
            // a client that went ends its request
            let _ = to_server.shutdown(Shutdown::Both);
        });
        if length == 0 {
            // the server has answered, and so has carried it out
            let _ = server.read(&mut [0; 1]);
        } else {
            copy(&mut (&server).take(length), &mut self.client);
        }
        // ends the body's thread, which waits for more of a client that keeps the connection
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = server.shutdown(Shutdown::Both);
        let _ = body.join();
        Some(())
    }

    /// Answers in the server's name.
    pub fn answer(mut self, code: u16, headers: &str, body: &str) -> Option<()> {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        server::answer(&mut self.client, code, &headers, body).ok()?;
        // one that closes with a request unread resets, and the answer is lost
        self.client.shutdown(Shutdown::Write).ok()?;
        self.hang();
        Some(())
    }

    /// Answers in the server's name, whatever is written.
    pub fn stream(
        mut self,
        write: impl FnOnce(&mut TcpStream) -> std::io::Result<()>,
    ) -> Option<()> {
        write(&mut self.client).ok()?;
        self.client.shutdown(Shutdown::Write).ok()?;
        self.hang();
        Some(())
    }

    /// Says nothing until the client goes.
    pub fn hang(mut self) {
        let _ = std::io::copy(&mut self.reader, &mut std::io::sink());
    }
}

/// Hands on what comes as it comes; a client that went ends it, and so its watch.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length) = from.read(&mut buffer) {
        if length == 0 || to.write_all(&buffer[..length]).is_err() || to.flush().is_err() {
            return;
        }
    }
}
