//! Ends a command that outlived its time-out: closing the connection does not.

/// Run as `sh -c SCRIPT kubeproof SECONDS COMMAND…` in the same container.
///
/// A process that was started by exec appears in the container with parent 0, as its main process
/// does (which is 1, unless the pod shares one process namespace). Ours has exactly our command
/// line, is in this shell's cgroup (so in this container), and has run for as long as we waited:
/// an equal command that was started since is left alone. It leads a process group, which is ended
/// with it. Only `sh`, `tr` and `kill` are needed.
const SCRIPT: &str = r#"
wanted=$1; shift
ours=$(printf '%s\n' "$@")
here=$(while read -r line; do echo "$line"; done < /proc/self/cgroup)
read -r up rest < /proc/uptime
up=${up%%.*}
for entry in /proc/[0-9]*; do
  pid=${entry#/proc/}
  [ "$pid" != 1 ] || continue
  read -r stat 2>/dev/null < "$entry/stat" || continue
  check() { [ "$2" = 0 ] && [ $((up - ${20} / 100)) -ge "$wanted" ]; }
  check ${stat##*) } || continue
  [ "$(tr '\0' '\n' < "$entry/cmdline")" = "$ours" ] || continue
  [ "$(while read -r line; do echo "$line"; done < "$entry/cgroup")" = "$here" ] || continue
  kill -KILL "-$pid" 2>/dev/null || kill -KILL "$pid"
done
"#;

/// The command that ends `command`, which was started `age` ago.
pub(super) fn command(command: &[String], age: std::time::Duration) -> Vec<String> {
    // Both clocks are read in whole seconds, and the process began a little after we asked for it.
    let age = age.as_secs().saturating_sub(2).to_string();
    ["sh", "-c", SCRIPT, "kubeproof", &age]
        .into_iter()
        .map(str::to_owned)
        .chain(command.iter().cloned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_command_is_passed_as_it_is() {
        let stop = command(&["sleep".into(), "a b'c".into()], Duration::from_secs(10));
        assert_eq!(stop[3..], ["kubeproof", "8", "sleep", "a b'c"]);
    }

    /// Outside of a container no process of ours has parent 0, so it must find nothing to end.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_script_is_valid_and_spares_others() {
        let mut other = std::process::Command::new("sleep")
            .arg("97")
            .spawn()
            .unwrap();
        let stop = command(&["sleep".into(), "97".into()], Duration::ZERO);
        let output = std::process::Command::new(&stop[0])
            .args(&stop[1..])
            .output()
            .unwrap();
        let is_alive = other.try_wait().unwrap().is_none();
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(is_alive);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}
