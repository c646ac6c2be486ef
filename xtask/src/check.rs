//! `cargo xtask check`: what CI runs.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{deny, layers, process, rules};

/// How to run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Goes on after a failed step and reports all of them at the end.
    #[arg(long)]
    keep_going: bool,
    /// Leaves a step out (they are named below); may be given several times.
    #[arg(long, value_name = "STEP")]
    skip: Vec<String>,
}

enum Action {
    /// Cargo with these arguments and this environment.
    Cargo(&'static [&'static str], &'static [(&'static str, &'static str)]),
    /// One of our own commands.
    Own(fn() -> Result<ExitCode>),
}

struct Step {
    name: &'static str,
    action: Action,
}

/// The steps, cheap ones first. A new check is one line here.
const STEPS: &[Step] = &[
    Step { name: "fmt", action: Action::Cargo(&["fmt", "--all", "--check"], &[]) },
    Step { name: "layers", action: Action::Own(layers::run) },
    Step { name: "deny", action: Action::Own(deny::run) },
    Step {
        name: "clippy",
        action: Action::Cargo(
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            &[],
        ),
    },
    Step {
        name: "docs",
        action: Action::Cargo(
            &["doc", "--no-deps", "--workspace", "--locked"],
            &[("RUSTDOCFLAGS", "-D warnings")],
        ),
    },
    Step { name: "rules", action: Action::Own(rules::check) },
    Step { name: "tests", action: Action::Cargo(&["test", "--workspace", "--locked"], &[]) },
];

/// What the help text says behind the options.
pub(crate) fn help() -> String {
    format!("Steps: {}\n\nExample: cargo xtask check --skip deny --skip tests", step_names())
}

/// Runs the steps and prints each with its duration.
#[expect(clippy::print_stdout, reason = "the progress is for the person who waits")]
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options.skip.iter().find(|name| !is_step(name)) {
        anyhow::bail!("no step is called {unknown:?}; there are {}", step_names());
    }
    let mut outcomes: Vec<(&str, bool, Duration)> = Vec::new();
    for step in STEPS.iter().filter(|step| !options.skip.iter().any(|name| name == step.name)) {
        println!("==> {}", step.name);
        let start = Instant::now();
        let passed = match step.perform() {
            Ok(passed) => passed,
            Err(error) => {
                println!("{error:#}");
                false
            }
        };
        let took = start.elapsed();
        println!("<== {}: {} in {:.1} s", step.name, word(passed), took.as_secs_f64());
        outcomes.push((step.name, passed, took));
        if !passed && !options.keep_going {
            break;
        }
    }
    println!("\nsummary");
    for (name, passed, took) in &outcomes {
        println!("  {name:<8} {:<6} {:>7.1} s", word(*passed), took.as_secs_f64());
    }
    let all = outcomes.iter().all(|(_, passed, _)| *passed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Step {
    fn perform(&self) -> Result<bool> {
        match self.action {
            Action::Own(run) => Ok(run()? == ExitCode::SUCCESS),
            Action::Cargo(args, environment) => {
                let mut command = process::cargo(args);
                command.envs(environment.iter().copied());
                Ok(process::status(&mut command)?.success())
            }
        }
    }
}

fn step_names() -> String {
    STEPS.iter().map(|step| step.name).collect::<Vec<_>>().join(", ")
}

fn is_step(name: &str) -> bool {
    STEPS.iter().any(|step| step.name == name)
}

const fn word(passed: bool) -> &'static str {
    if passed { "ok" } else { "FAILED" }
}
