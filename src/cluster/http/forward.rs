//! A port of a pod as a stream of bytes, over a WebSocket to the API server. Frames are those of
//! `v4.channel.k8s.io`: channel 0 has the bytes, channel 1 the error, each begins with the port.
//!
//! Frames are carried here rather than by the library, which hides why a connection ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use kube::core::Request;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::io::{DuplexStream, join, split};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::super::cause::{Cause, without_number};
use super::super::client::Cluster;
use super::super::error::beginning;
use super::super::resource::{Resource, encoded};
use super::model::HttpError;

const DATA: u8 = 0;
const ERROR: u8 = 1;
const BUFFER: usize = 64 * 1024;
const LONGEST_WORDS: usize = 500;

impl Cluster {
    /// Forwards a port: gives the near end, and what carries the bytes, which must be polled
    /// while the near end is used. It ends with its pod's end of the connection.
    ///
    /// Where the way there breaks, reading the near end fails after the last byte, so that what
    /// ends with the connection is never taken for whole.
    pub(super) async fn forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<
        (
            impl AsyncRead + AsyncWrite + Unpin + Send + use<>,
            impl Future<Output = Result<(), HttpError>>,
        ),
        HttpError,
    > {
        let request = Request::new(Resource::pod().path(Some(namespace)))
            .portforward(&encoded(pod), &[port])
            .map_err(|error| HttpError::Invalid {
                problem: error.to_string(),
            })?;
        let connection = self.transport().client.connect(request).await;
        let connection = connection.map_err(|error| match &error {
            // its own words, and not those of somebody on the way
            kube::Error::Api(status) if status.code == 404 && status.reason == "NotFound" => {
                HttpError::NotReached {
                    cause: status.message.clone(),
                }
            }
            error => HttpError::NotAsked {
                cause: Cause::of(error).to_string(),
            },
        })?;
        let (near, far) = tokio::io::duplex(BUFFER);
        let (from_far, to_far) = split(near);
        let is_cut = Arc::new(AtomicBool::new(false));
        let near = join(from_far.chain(End(Arc::clone(&is_cut))), to_far);
        let (writer, reader) = connection.into_stream().split();
        let what = format!("port {port} of pod {pod}");
        let carrying = async move {
            let carried = carry(far, writer, reader, &is_cut).await;
            carried.map_err(|error| plain(error, &what))
        };
        Ok((near, carrying))
    }
}

/// What is read after the last byte: the end of the stream, or, where the way there was cut, an error.
struct End(Arc<AtomicBool>);

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(match self.0.load(Relaxed) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        })
    }
}

/// Says shortly what the container runtime says with ids and paths that tell a reader nothing.
fn plain(error: HttpError, what: &str) -> HttpError {
    match error {
        HttpError::NotReached { cause } if cause.contains("connect: connection refused") => {
            HttpError::NotReached {
                cause: format!("{what}: connection refused"),
            }
        }
        other => other,
    }
}

/// Carries bytes both ways until the socket ends or breaks; `is_cut` says that it broke, before the
/// near end can see that nothing more comes.
async fn carry(
    far: DuplexStream,
    mut writer: impl Sink<Message> + Unpin,
    reader: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    is_cut: &AtomicBool,
) -> Result<(), HttpError> {
    // Both halves live until it is said how it ended.
    let (mut from_near, mut to_near) = split(far);
    let sending = async {
        let mut buffer = vec![DATA; BUFFER];
        // The near end is done where it is closed; the pod's may still answer. Where the socket is
        // broken, the reader says so.
        while let Ok(read @ 1..) = from_near.read(&mut buffer[1..]).await {
            let frame = Message::binary(buffer[..=read].to_vec());
            if writer.send(frame).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let carried = tokio::select! {
        result = receive(reader, &mut to_near) => result,
        () = sending => Ok(()),
    };
    // What the pod's end tells of is no break: all that it sent has come by then.
    is_cut.store(matches!(carried, Err(HttpError::Broken { .. })), Relaxed);
    carried
}

async fn receive(
    mut reader: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    to_near: &mut (impl AsyncWrite + Unpin),
) -> Result<(), HttpError> {
    let mut is_open = [false; 2];
    loop {
        let frame = match reader.next().await {
            None | Some(Ok(Message::Close(_))) => return Ok(()),
            Some(Ok(Message::Binary(frame))) => frame,
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                let cause = match &error {
                    SocketError::Io(error) => without_number(&error.to_string()),
                    SocketError::ConnectionClosed => return Ok(()),
                    // Where the pod's end is the cause, the socket is closed as the protocol says.
                    SocketError::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
                        "the connection to the API server ended without a word".to_owned()
                    }
                    other => other.to_string(),
                };
                return Err(HttpError::Broken { cause });
            }
        };
        let Some((&channel @ (DATA | ERROR), mut bytes)) = frame.split_first() else {
            continue;
        };
        let is_open = &mut is_open[usize::from(channel)];
        if !*is_open {
            // The port as two bytes, which we know.
            *is_open = true;
            bytes = bytes.get(2..).unwrap_or_default();
        }
        if bytes.is_empty() {
            continue;
        }
        if channel == ERROR {
            let words = String::from_utf8_lossy(bytes);
            let cause = beginning(words.trim(), LONGEST_WORDS);
            return Err(HttpError::NotReached { cause });
        }
        // The near end is gone: nobody wants more.
        if to_near.write_all(bytes).await.is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_port_is_told_shortly() {
        let error = |cause: &str| HttpError::NotReached {
            cause: cause.to_owned(),
        };
        let long = "error forwarding port 8001 to pod e1954c39, uid : failed to execute portforward in network \
                    namespace \"/var/run/netns/cni-10bb6d40\": failed to connect to localhost:8001 inside namespace \
                    \"e1954c39\", IPv4: dial tcp4 127.0.0.1:8001: connect: connection refused";
        assert_eq!(
            plain(error(long), "port 8001 of pod web").to_string(),
            "port 8001 of pod web: connection refused"
        );
        assert_eq!(plain(error("other"), "port").to_string(), "other");
    }
}
