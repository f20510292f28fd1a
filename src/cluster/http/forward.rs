//! A port of a pod as a stream of bytes, over a WebSocket to the API server. Frames are those of
//! `v4.channel.k8s.io`: channel 0 has the bytes, channel 1 the error, each begins with the port.
//!
//! Frames are carried here rather than by the library, which hides why a connection ended.

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use kube::core::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

use super::super::cause::{Cause, without_number};
use super::super::client::Cluster;
use super::super::resource::{Resource, encoded};
use super::model::HttpError;

const DATA: u8 = 0;
const ERROR: u8 = 1;
const BUFFER: usize = 64 * 1024;
const LONGEST_WORDS: usize = 500;

impl Cluster {
    /// Forwards a port: gives the near end, and what carries the bytes, which must be polled
    /// while the near end is used. It ends with its pod's end of the connection.
    pub(super) async fn forward(
        &self,
        namespace: &str,
        pod: &str,
        port: u16,
    ) -> Result<(DuplexStream, impl Future<Output = Result<(), HttpError>>), HttpError> {
        let request = Request::new(Resource::pod().path(Some(namespace)))
            .portforward(&encoded(pod), &[port])
            .map_err(|error| HttpError::Invalid {
                problem: error.to_string(),
            })?;
        let connection = self.transport().client.connect(request).await;
        let connection = connection.map_err(|error| match Cause::of(&error) {
            Cause::Answer { code: 404, message } => HttpError::NotReached { cause: message },
            cause => HttpError::NotAsked {
                cause: cause.to_string(),
            },
        })?;
        let (near, far) = tokio::io::duplex(BUFFER);
        let (writer, reader) = connection.into_stream().split();
        let what = format!("port {port} of pod {pod}");
        let carrying = async move {
            let carried = carry(far, writer, reader).await;
            carried.map_err(|error| plain(error, &what))
        };
        Ok((near, carrying))
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

/// Carries bytes both ways until the socket ends or breaks.
async fn carry(
    far: DuplexStream,
    mut writer: impl Sink<Message> + Unpin,
    reader: impl Stream<Item = Result<Message, SocketError>> + Unpin,
) -> Result<(), HttpError> {
    let (mut from_near, to_near) = tokio::io::split(far);
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
    tokio::select! {
        result = receive(reader, to_near) => result,
        () = sending => Ok(()),
    }
}

async fn receive(
    mut reader: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    mut to_near: impl tokio::io::AsyncWrite + Unpin,
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
                    // The API server closes some sockets without a word; that is an end as well.
                    SocketError::Protocol(_) | SocketError::ConnectionClosed => return Ok(()),
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
            let cause = words.trim().chars().take(LONGEST_WORDS).collect();
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
