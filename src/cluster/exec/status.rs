//! Reads the frame that ends an exec: did the command run, and with which exit code. Pure.

use serde_json::Value;

/// What the status frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// The command ran and ended with this code.
    Exit(i32),
    /// It did not run to an end of its own, in the cluster's words: no such executable, container gone.
    Failure(String),
}

/// Reads a [Status](https://kubernetes.io/docs/reference/kubernetes-api/definitions/status-v1-meta/)
/// as the kubelet sends it on channel 3; `None` while it is not complete.
pub(super) fn ending(frame: &[u8]) -> Option<Ending> {
    let status: Value = serde_json::from_slice(frame).ok()?;
    if status["status"] == "Success" {
        return Some(Ending::Exit(0));
    }
    if status["reason"] == "NonZeroExitCode" {
        let causes = status["details"]["causes"].as_array();
        let code = causes.into_iter().flatten().find_map(|cause| {
            let is_code = cause["reason"] == "ExitCode";
            let code = cause["message"].as_str().filter(|_| is_code)?;
            code.parse().ok()
        });
        if let Some(code) = code {
            return Some(Ending::Exit(code));
        }
    }
    let message = status["message"].as_str().unwrap_or_default();
    Some(Ending::Failure(if message.is_empty() {
        "the container runtime gave no reason".to_owned()
    } else {
        message.to_owned()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings() {
        let cases = [
            (
                r#"{"metadata":{},"status":"Success"}"#,
                Some(Ending::Exit(0)),
            ),
            (
                r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code",
                   "reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"137"}]}}"#,
                Some(Ending::Exit(137)),
            ),
            (
                r#"{"metadata":{},"status":"Failure","message":"exec: \"nope\": executable file not found in $PATH",
                   "reason":"InternalError","code":500}"#,
                Some(Ending::Failure(
                    "exec: \"nope\": executable file not found in $PATH".into(),
                )),
            ),
            (
                r#"{"status":"Failure","reason":"NonZeroExitCode","message":"odd"}"#,
                Some(Ending::Failure("odd".into())),
            ),
            (r#"{"metadata":{},"sta"#, None),
            ("", None),
        ];
        for (frame, expected) in cases {
            assert_eq!(ending(frame.as_bytes()), expected, "{frame}");
        }
    }
}
