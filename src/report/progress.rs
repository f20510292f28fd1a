//! What goes on while a run goes on, on stderr: live lines on a terminal, plain
//! ones elsewhere.
//!
//! Results are `human`'s to tell. Both may write to one terminal, so whatever
//! else writes there goes through [`Progress::beside`].

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::stream::Live;
use super::style::{Color, Tone, Verbosity};
use super::{Reporter, sanitize, text};
use crate::event::{Connection, Event, EventKind, Stage, SuiteRef};
use crate::outcome::Verdict;

/// Tells people what goes on.
pub struct Progress<W> {
    output: W,
    color: Color,
    verbosity: Verbosity,
    /// Nothing where there is no terminal.
    live: Option<MultiProgress>,
    suites: BTreeMap<usize, Running>,
    /// What comes after the verdict.
    cleaning: Option<ProgressBar>,
}

/// A suite that is at work.
#[derive(Default)]
struct Running {
    /// What it does outside of cases.
    step: Option<(Stage, String)>,
    bar: Option<ProgressBar>,
}

impl<W: Write + Send> Progress<W> {
    /// Plain lines to `output`.
    pub fn plain(output: W, color: Color, verbosity: Verbosity) -> Self {
        Self {
            output,
            color,
            verbosity,
            live: None,
            suites: BTreeMap::new(),
            cleaning: None,
        }
    }

    /// Live lines on a terminal, and those that stay through `output`, which should be
    /// the same one. Quiet has none of them.
    pub fn live(output: W, terminal: Live, color: Color, verbosity: Verbosity) -> Self {
        let target = || ProgressDrawTarget::term_like(Box::new(terminal));
        Self {
            live: (verbosity != Verbosity::Quiet)
                .then(|| MultiProgress::with_draw_target(target())),
            ..Self::plain(output, color, verbosity)
        }
    }

    /// A writer to the same terminal, for other reports: the live lines make room
    /// while it writes.
    pub fn beside<O: Write + Send>(&self, output: O) -> Beside<O> {
        Beside {
            live: self.live.clone(),
            output,
        }
    }

    fn tell(&mut self, lines: &str) -> io::Result<()> {
        let output = &mut self.output;
        let mut write = || {
            output.write_all(lines.as_bytes())?;
            output.write_all(b"\n")?;
            output.flush()
        };
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    fn is_live(&self) -> bool {
        self.live.is_some()
    }

    /// Brings the live line of a suite up to date.
    fn refresh(&mut self, suite: &SuiteRef, verdict: &Verdict) {
        let Some(live) = &self.live else {
            return;
        };
        let running = self.suites.entry(suite.index).or_default();
        let line = status(suite, running.step.as_ref(), verdict);
        running
            .bar
            .get_or_insert_with(|| spinner(live))
            .set_message(line);
    }

    /// What is left to do is told while it is done.
    fn clean(&mut self) {
        if let Some(live) = &self.live {
            let bar = self.cleaning.get_or_insert_with(|| spinner(live));
            bar.set_message("cleaning up");
        }
    }

    fn clear(&mut self, suite: &SuiteRef) {
        if let Some(running) = self.suites.remove(&suite.index)
            && let Some(bar) = running.bar
        {
            bar.finish_and_clear();
        }
    }

    fn clear_all(&mut self) {
        for running in std::mem::take(&mut self.suites).into_values() {
            if let Some(bar) = running.bar {
                bar.finish_and_clear();
            }
        }
        if let Some(bar) = self.cleaning.take() {
            bar.finish_and_clear();
        }
    }

    fn suite_finished(&mut self, suite: &SuiteRef, verdict: &Verdict) -> io::Result<()> {
        let Some(known) = verdict.suite(suite.index) else {
            return Ok(());
        };
        // on a terminal the report's own lines stand right there
        if self.is_live() {
            return Ok(());
        }
        let bad = known.counts.bad() + known.problems.len();
        let took = known.took.map(text::duration).unwrap_or_default();
        let name = sanitize::line(&suite.name);
        let cases = text::count(known.counts.total(), "case");
        self.tell(&format!(
            "{name}: {cases} done, {bad} not passed, in {took}"
        ))
    }
}

impl<W: Write + Send> Reporter for Progress<W> {
    fn name(&self) -> &str {
        "progress on stderr"
    }

    fn event(&mut self, event: &Event, verdict: &Verdict) -> io::Result<()> {
        let quiet = self.verbosity == Verbosity::Quiet;
        match &event.kind {
            // why a run stops is told even to who wants to hear nothing
            EventKind::Cancelling { reason } => {
                let word = self.color.paint(Tone::Mild, "stopping");
                self.tell(&format!("{word}: {}", reason.describe()))
            }
            EventKind::Notice { text } => {
                let word = self.color.paint(Tone::Mild, "note");
                self.tell(&format!("{word}: {}", sanitize::line(text)))
            }
            EventKind::RunFinished { .. } => {
                self.clear_all();
                Ok(())
            }
            _ if quiet => Ok(()),
            EventKind::Awaiting { what } => {
                let word = self.color.paint(Tone::Faint, "waiting");
                self.tell(&format!("{word}: {}", sanitize::line(what)))
            }
            EventKind::Connected(connection) => self.tell(&block(connection, self.color)),
            EventKind::SuiteStarted { suite, title, .. } => {
                self.refresh(suite, verdict);
                if self.is_live() {
                    return Ok(());
                }
                let (name, title) = (sanitize::line(&suite.name), sanitize::line(title));
                self.tell(&format!("{name}: {title}"))
            }
            EventKind::StageStarted { suite, stage, step } => {
                let step = sanitize::line(step);
                if !self.is_live() {
                    let name = sanitize::line(&suite.name);
                    return self.tell(&format!("{name}: {} {step}", stage.testcase()));
                }
                self.suites.entry(suite.index).or_default().step = Some((*stage, step));
                self.refresh(suite, verdict);
                Ok(())
            }
            EventKind::StepWaits { suite, target, why } => {
                let [name, target, why] =
                    [&suite.name, target, why].map(|text| sanitize::line(text));
                let word = self.color.paint(Tone::Faint, "waiting");
                self.tell(&format!("{name}: {word} for {target}: {why}"))
            }
            EventKind::StepWaited {
                suite,
                target,
                why,
                took,
            } => {
                let [name, target, why] =
                    [&suite.name, target, why].map(|text| sanitize::line(text));
                let took = text::duration(*took);
                self.tell(&format!(
                    "{name}: {target} came after {took}; it had waited: {why}"
                ))
            }
            EventKind::CasesPlanned { suite, .. } => {
                if let Some(running) = self.suites.get_mut(&suite.index) {
                    running.step = None;
                }
                self.refresh(suite, verdict);
                Ok(())
            }
            EventKind::CaseFinished(case) => {
                self.refresh(&case.id.suite, verdict);
                if self.verbosity != Verbosity::Verbose {
                    return Ok(());
                }
                let word = self
                    .color
                    .paint(Tone::of(case.outcome), text::outcome(case.outcome));
                let (name, took) = (text::name(case), text::duration(case.took));
                self.tell(&format!("{word} {name} ({took})"))
            }
            EventKind::StepStarted { case, step } if self.verbosity == Verbosity::Verbose => {
                let (name, step) = (sanitize::line(&case.name), sanitize::line(step));
                let word = self.color.paint(Tone::Faint, "step");
                self.tell(&format!("{word} {name}: {step}"))
            }
            EventKind::StepFinished {
                case,
                step,
                outcome,
                took,
            } if self.verbosity == Verbosity::Verbose => {
                let (name, step) = (sanitize::line(&case.name), sanitize::line(step));
                let (word, took) = (text::outcome(*outcome), text::duration(*took));
                let word = self.color.paint(Tone::Faint, format!("step {word}"));
                self.tell(&format!("{word} {name}: {step} ({took})"))
            }
            EventKind::CaseRetried(attempt) => {
                let name = sanitize::line(&attempt.id.name);
                let reason = text::reason(attempt.outcome, Some(&attempt.why));
                let number = attempt.attempt;
                self.tell(&format!("{name}: attempt {number} did not pass: {reason}"))
            }
            EventKind::SuiteFinished { suite, .. } => {
                self.clear(suite);
                self.suite_finished(suite, verdict)
            }
            EventKind::VerdictReached { .. } => {
                self.clear_all();
                self.clean();
                Ok(())
            }
            EventKind::RunStarted { .. }
            | EventKind::NodeExcluded { .. }
            | EventKind::Diagnosis(_)
            | EventKind::CaseStarted(_)
            | EventKind::StepStarted { .. }
            | EventKind::StepFinished { .. }
            | EventKind::SuiteCleaned { .. }
            | EventKind::Problem(_)
            | EventKind::Leftover(_) => Ok(()),
        }
    }

    fn finish(&mut self, _verdict: &Verdict) -> io::Result<()> {
        self.clear_all();
        self.output.flush()
    }
}

/// A writer before which live lines make room.
pub struct Beside<W> {
    live: Option<MultiProgress>,
    output: W,
}

impl<W: Write> Write for Beside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    /// In one go: the lines are taken away and drawn again only once.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let output = &mut self.output;
        let mut write = || {
            output.write_all(bytes)?;
            output.flush()
        };
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// A live line.
fn spinner(live: &MultiProgress) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {wide_msg}");
    let style = style.expect("the template is a constant");
    let bar = live.add(ProgressBar::new_spinner().with_style(style));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// The live line of a suite: `network overlay test: 3 of 9 cases, 1 not passed`.
fn status(suite: &SuiteRef, step: Option<&(Stage, String)>, verdict: &Verdict) -> String {
    let Some(known) = verdict.suite(suite.index) else {
        return sanitize::line(&suite.name);
    };
    let title = sanitize::line(&known.title);
    if let Some((stage, step)) = step {
        return format!("{title}: {} {step}", stage.testcase());
    }
    let Some(planned) = known.planned else {
        return title;
    };
    let mut line = format!("{title}: {} of {planned} cases", known.counts.total());
    if known.counts.bad() > 0 {
        line.push_str(&format!(", {} not passed", known.counts.bad()));
    }
    line
}

/// What was connected to, said before anything runs.
fn block(connection: &Connection, color: Color) -> String {
    let Connection {
        kubeconfig,
        context,
        server,
        version,
        user,
        nodes,
    } = connection;
    let nodes = match nodes {
        Some(nodes) => format!("{} of {} ready", nodes.ready, nodes.total),
        None => "may not be listed".to_owned(),
    };
    [
        ("kubeconfig", kubeconfig.clone()),
        (
            "context",
            context.clone().unwrap_or_else(|| "none".to_owned()),
        ),
        ("server", format!("{server} ({version})")),
        ("user", user.clone()),
        ("nodes", nodes),
    ]
    .map(|(name, value)| {
        let name = color.paint(Tone::Faint, format!("{name:<11}"));
        format!("{name} {}", sanitize::line(&value))
    })
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CaseId, CaseResult};

    fn suite() -> SuiteRef {
        SuiteRef {
            index: 0,
            name: "overlay".to_owned(),
        }
    }

    #[test]
    fn the_live_line_says_where_a_suite_is() {
        let mut verdict = Verdict::default();
        assert_eq!(status(&suite(), None, &verdict), "overlay");
        verdict.apply(&Event::now(EventKind::SuiteStarted {
            suite: suite(),
            title: "network\noverlay".to_owned(),
            file: "a.yaml".to_owned(),
            namespace: None,
        }));
        let step = (Stage::Setup, "wait daemonset/a".to_owned());
        assert_eq!(
            status(&suite(), Some(&step), &verdict),
            "network overlay: [setup] wait daemonset/a"
        );
        verdict.apply(&Event::now(EventKind::CasesPlanned {
            suite: suite(),
            total: 9,
        }));
        verdict.apply(&Event::now(EventKind::CaseFinished(CaseResult {
            id: CaseId {
                suite: suite(),
                case: 0,
                cell: 0,
                name: "a".to_owned(),
            },
            outcome: crate::event::Outcome::Failed,
            took: Duration::ZERO,
            why: None,
            properties: indexmap::IndexMap::new(),
        })));
        assert_eq!(
            status(&suite(), None, &verdict),
            "network overlay: 1 of 9 cases, 1 not passed"
        );
    }

    #[test]
    fn what_is_written_beside_live_lines_arrives_whole() {
        let terminal = crate::report::stream::stderr().live();
        let progress = Progress::live(Vec::new(), terminal, Color::Plain, Verbosity::Normal);
        let mut text = Vec::new();
        let mut beside = progress.beside(&mut text);
        beside.write_all(b"=> Start\n").expect("it is a vector");
        assert_eq!(text, b"=> Start\n");
    }
}
