//! What the schemas of JUnit reports allow. There is no standard, and some readers pass over a file
//! that their own schema does not take: what the common ones do not know is said where all of them
//! have room for it.

use std::mem;
use std::time::Duration;

use jiff::Timestamp;
use quick_junit::{Report, TestCase, TestCaseStatus, TestRerun, TestSuite};

use super::testcase::bounded;

/// Which readers a JUnit report is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schema {
    /// All of them: valid by the schemas of Jenkins' xUnit plugin, old and new, and of Apache Ant.
    #[default]
    Common,
    /// Those that also show properties, outputs and earlier attempts of a testcase: GitLab, Azure,
    /// Jenkins' junit plugin.
    Extended,
}

/// Where and when a report was made, for suites that did not begin.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The name of the machine.
    pub host: String,
    /// When the report was begun.
    pub time: Timestamp,
}

/// The report as every schema takes it, with all that it says.
pub fn to_common(report: &mut Report, origin: &Origin) {
    let mut of_run = Vec::new();
    if let Some(started) = report.timestamp.take() {
        of_run.push(("kubeproof.started", started.to_rfc3339()));
    }
    if let Some(took) = report.time.take() {
        of_run.push(("kubeproof.took", format!("{:.3}", took.as_secs_f64())));
    }
    for (index, suite) in report.test_suites.iter_mut().enumerate() {
        for (name, value) in &of_run {
            suite.add_property((*name, value.as_str()));
        }
        common_suite(suite, index, origin);
    }
}

fn common_suite(suite: &mut TestSuite, index: usize, origin: &Origin) {
    let time = suite.timestamp.take();
    let time = time.and_then(|it| Timestamp::from_second(it.timestamp()).ok());
    // no zone is allowed; it is UTC
    let time = time.unwrap_or(origin.time).strftime("%Y-%m-%dT%H:%M:%S");
    for (name, value) in [
        ("id", index.to_string()),
        // where it has one, Jenkins puts it before the name
        ("package", String::new()),
        ("hostname", origin.host.clone()),
        ("timestamp", time.to_string()),
    ] {
        suite.extra.insert(name.into(), value.into());
    }
    suite.time.get_or_insert(Duration::ZERO);
    let mut told = Vec::new();
    let mut properties = Vec::new();
    for case in &mut suite.test_cases {
        common_case(case, &mut told, &mut properties);
    }
    for (name, value) in properties {
        suite.add_property((name, value));
    }
    let mut out: Vec<_> = suite.system_out.take().into_iter().collect();
    out.extend(told.into_iter().map(Into::into));
    let out: Vec<_> = out.iter().map(|it| it.as_str()).collect();
    suite.set_system_out(bounded(&out.join("\n")));
    suite.system_err.get_or_insert_with(|| "".into());
}

/// A testcase has an outcome with a text, and nothing else.
fn common_case(case: &mut TestCase, told: &mut Vec<String>, of_suite: &mut Vec<(String, String)>) {
    let name = case.name.as_str().to_owned();
    for property in mem::take(&mut case.properties) {
        let (key, value) = (property.name.as_str(), property.value.as_str());
        of_suite.push((format!("kubeproof.case.{name}.{key}"), value.to_owned()));
    }
    let out = case.system_out.take();
    // the text of what did not pass has it
    case.system_err = None;
    case.time.get_or_insert(Duration::ZERO);
    match &mut case.status {
        TestCaseStatus::Success { flaky_runs } => {
            if let Some(out) = out {
                told.push(format!("{name}: {}", out.as_str()));
            }
            let attempts = mem::take(flaky_runs).len();
            if attempts > 0 {
                let key = format!("kubeproof.case.{name}.kubeproof.flaky");
                of_suite.push((key, format!("passed at attempt {}", attempts + 1)));
            }
        }
        TestCaseStatus::NonSuccess {
            description,
            reruns,
            ..
        } => {
            let attempts = mem::take(&mut reruns.runs);
            if attempts.is_empty() {
                return;
            }
            let mut text = description
                .take()
                .map_or_else(String::new, |it| it.as_str().to_owned());
            for (number, attempt) in attempts.iter().enumerate() {
                text.push_str(&format!(
                    "\n\nattempt {} {}",
                    number + 1,
                    attempt_text(attempt)
                ));
            }
            *description = Some(bounded(&text).into());
        }
        TestCaseStatus::Skipped { .. } => {}
    }
}

fn attempt_text(attempt: &TestRerun) -> String {
    let word = attempt.ty.as_ref().map_or("did not pass", |it| it.as_str());
    let text = attempt.description.as_ref().or(attempt.message.as_ref());
    format!("{word}: {}", text.map_or("", |it| it.as_str()))
}

/// The beginning of the document has totals that not every schema knows.
pub fn without_totals(xml: String) -> String {
    const TAG: &str = "<testsuites";
    let attributes = xml.find(TAG).and_then(|at| {
        let from = at + TAG.len();
        Some(from..from + xml[from..].find('>')?)
    });
    let mut xml = xml;
    if let Some(attributes) = attributes {
        xml.replace_range(attributes, "");
    }
    xml
}
