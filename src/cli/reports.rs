//! The reports of a run: where each of them goes, and which of them cannot go to one place.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use super::args::{JunitSchema, Output, RunArgs};
use crate::report::file::Destination;
use crate::report::guard::{Form, Guarded};
use crate::report::human::{Human, HumanOptions};
use crate::report::json::Json;
use crate::report::junit::{Junit, JunitOptions};
use crate::report::outlet::{Outlet, Pipe};
use crate::report::progress::Progress;
use crate::report::schema::{Origin, Schema};
use crate::report::stream::{self, Stream};
use crate::report::style::Verbosity;
use crate::report::{Loss, Reporters};
use crate::run::{Artifacts, ArtifactsReport};

/// How long the file of a report may take to open before the run begins without it: it may be a
/// pipe that nobody reads yet.
const OPENING: Duration = Duration::from_secs(2);

/// How long a file system may take to say what is at a path: it may have to be mounted first.
const LOOKING: Duration = Duration::from_secs(10);

/// Where a report goes.
#[derive(Clone, Debug)]
enum Place {
    Stdout,
    Stderr,
    At(Destination),
}

/// Something that is written, by the name that a user knows it by.
struct Written {
    name: String,
    place: Place,
}

/// The reports that were asked for, or why there cannot be one. JUnit is on disk from here on, so
/// that an old one never passes for this run's. The report for people is the last: what becomes of
/// the others stands in it.
pub fn reporters(
    args: &RunArgs,
    verbosity: Verbosity,
    artifacts: Option<&Artifacts>,
) -> Result<Reporters, String> {
    let mut reporters = Reporters::new();
    let (stdout, stderr) = (stream::stdout(), stream::stderr());
    let place = |path: &Option<PathBuf>| path.as_deref().map(Place::of).transpose();
    let (junit, json) = (place(&args.junit)?, place(&args.json)?);
    let people = share_nothing(args, junit.as_ref(), json.as_ref())?;
    let junit_file = match &junit {
        Some(Place::At(_) | Place::Stderr) => args.junit.clone(),
        Some(Place::Stdout) | None => None,
    };
    if let (Some(path), Some(place)) = (&args.junit, junit) {
        let (junit, outlet) = begin_junit(args, path, place)?;
        reporters.push_behind(junit, outlet, Loss::Counts);
    }
    if let (Some(path), Some(Place::At(destination))) = (&args.json, &json) {
        let name = format!("events in {}", path.display());
        let outlet = Outlet::new();
        let destination = destination.clone();
        let pipe = Pipe::new(outlet.clone(), move || destination.open());
        pipe.push(Vec::new())
            .and_then(|()| outlet.wait(OPENING))
            .map_err(|error| refusal(path, &error))?;
        reporters.push_behind(Json::new(name, pipe), outlet, Loss::Counts);
    }
    if let Some(artifacts) = artifacts {
        let report = ArtifactsReport::new(artifacts);
        reporters.push_behind(report, artifacts.outlet(), Loss::Counts);
    }
    let color = stderr.color();
    let progress = match stderr.is_terminal() {
        true => Progress::live(stderr.clone(), stderr.live(), color, verbosity),
        false => Progress::plain(stderr.clone(), color, verbosity),
    };
    let is_json_on_stdout = args.output == Output::Json || matches!(json, Some(Place::Stdout));
    let beside = |stream: &Stream| progress.beside(stream.machine(Form::Json));
    let (on_stdout, on_stderr) = (beside(&stdout), beside(&stderr));
    // a machine may have stdout to itself
    let (people, people_loss) = match people {
        Place::Stderr => (stderr.clone(), Loss::Bearable),
        Place::Stdout | Place::At(_) => (stdout.clone(), Loss::UnlessClosed),
    };
    let human = Human::new(
        progress.beside(people.clone()),
        HumanOptions {
            color: people.color(),
            verbosity,
            junit: junit_file,
        },
    );
    reporters.push_behind(progress, stderr.outlet(), Loss::Bearable);
    if is_json_on_stdout {
        let json = Json::new("events on stdout", on_stdout);
        reporters.push_behind(json, stdout.outlet(), Loss::UnlessClosed);
    }
    if let Some(Place::Stderr) = json {
        let json = Json::new("events on stderr", on_stderr);
        reporters.push_behind(json, stderr.outlet(), Loss::Counts);
    }
    if args.output == Output::Human {
        reporters.push_behind(human, people.outlet(), people_loss);
    }
    Ok(reporters)
}

/// The JUnit report, with what it leaves its text with.
fn begin_junit(args: &RunArgs, path: &Path, place: Place) -> Result<(Junit, Outlet), String> {
    let options = JunitOptions {
        schema: match args.junit_schema {
            JunitSchema::Common => Schema::Common,
            JunitSchema::Extended => Schema::Extended,
        },
        origin: Origin {
            host: host(),
            time: jiff::Timestamp::now(),
        },
    };
    let (name, output, outlet) = match place {
        Place::At(destination) if destination.is_stream() => {
            let pipe = Pipe::new(Outlet::new(), move || destination.open());
            let outlet = pipe.outlet().clone();
            let name = path.display().to_string();
            (name, Guarded::new(Form::Xml, pipe), outlet)
        }
        Place::At(destination) => {
            let refuse = |error| refusal(path, &error);
            let junit = Junit::in_file(path, destination, options).map_err(refuse)?;
            let outlet = junit.outlet().cloned().unwrap_or_default();
            outlet.wait(OPENING).map_err(refuse)?;
            return Ok((junit, outlet));
        }
        Place::Stdout => of_stream(&stream::stdout(), "on stdout"),
        Place::Stderr => of_stream(&stream::stderr(), "on stderr"),
    };
    let junit = Junit::on_stream(format!("JUnit report {name}"), output, options);
    Ok((junit, outlet))
}

fn of_stream(stream: &Stream, name: &str) -> (String, Guarded<Pipe>, Outlet) {
    (name.to_owned(), stream.machine(Form::Xml), stream.outlet())
}

/// Refuses reports that would be written over or between each other. Otherwise where people read:
/// a machine has stdout to itself.
fn share_nothing(
    args: &RunArgs,
    junit: Option<&Place>,
    json: Option<&Place>,
) -> Result<Place, String> {
    let mut written = Vec::new();
    for (option, path, place) in [
        ("--junit", &args.junit, junit),
        ("--json", &args.json, json),
    ] {
        if let (Some(path), Some(place)) = (path, place) {
            written.push(Written {
                name: format!("{option} {}", path.display()),
                place: place.clone(),
            });
        }
    }
    if args.output == Output::Json {
        written.push(Written {
            name: "--output json".to_owned(),
            place: Place::Stdout,
        });
    }
    let has_stdout = |it: &Written| matches!(it.place, Place::Stdout);
    let people = match written.iter().any(has_stdout) {
        true => Place::Stderr,
        false => Place::Stdout,
    };
    if args.output == Output::Human {
        written.push(Written {
            name: format!("the report for people on {people}"),
            place: people.clone(),
        });
    }
    for (index, second) in written.iter().enumerate() {
        for first in &written[..index] {
            if first.place.is_same(&second.place) {
                return Err(format!(
                    "{} and {} cannot share {}: name a file for all but one of them",
                    first.name, second.name, second.place
                ));
            }
        }
    }
    Ok(people)
}

impl Place {
    /// What an argument means: `-` is stdout, as with most programs, and so is all that leads there.
    fn of(path: &Path) -> Result<Self, String> {
        if path == Path::new("-") {
            return Ok(Self::Stdout);
        }
        let destination = look(path).map_err(|error| refusal(path, &error))?;
        Ok(match destination {
            it if it.is(stream::stdout().identity()) => Self::Stdout,
            it if it.is(stream::stderr().identity()) => Self::Stderr,
            it => Self::At(it),
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Stdout, Self::Stdout) | (Self::Stderr, Self::Stderr) => true,
            (Self::At(one), Self::At(other)) => one.is_same(other),
            (Self::Stdout, Self::Stderr) | (Self::Stderr, Self::Stdout) => {
                let (stdout, stderr) = (stream::stdout(), stream::stderr());
                // who sits at a terminal sees one after the other
                stdout.identity().is_some()
                    && stdout.identity() == stderr.identity()
                    && !stdout.is_terminal()
            }
            (Self::At(_), Self::Stdout | Self::Stderr)
            | (Self::Stdout | Self::Stderr, Self::At(_)) => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::At(_) => "one file",
        })
    }
}

/// Looks what is at a path, in a thread: a file system may not answer.
fn look(path: &Path) -> io::Result<Destination> {
    let (sender, found) = mpsc::channel();
    let path = path.to_owned();
    std::thread::Builder::new().spawn(move || sender.send(Destination::of(&path)))?;
    found.recv_timeout(LOOKING).unwrap_or_else(|_| {
        let text = format!(
            "the file system has not said within {} s what is there",
            LOOKING.as_secs()
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

fn refusal(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// The name of this machine.
fn host() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    match name.is_empty() {
        true => "localhost".to_owned(),
        false => name,
    }
}
