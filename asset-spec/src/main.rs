//! `asset-spec`: tells implementers of the attachment standard whether their bytes conform.
#![allow(clippy::print_stdout, clippy::print_stderr)] // a program that talks to people

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use asset_spec::check::{Context, DEFAULT_TX_VERSION, Kind, Network, Verdict, check};
use asset_spec::clause;
use asset_spec::source::{self, SourceError};
use clap::{Args, Parser, Subcommand};
use mvs_primitives::text::is_hazardous;
use serde::Serialize;

/// Exit code when a clause is broken.
const BROKEN: u8 = 1;
/// Exit code when the command or its input cannot be used at all; clap uses the same.
const UNUSABLE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  echo 0100000000000000 | asset-spec check -
  asset-spec codes

The standard is in asset-spec/README.md, inputs with their answers in asset-spec/vectors/.";

const CHECK_EXAMPLES: &str = "\
Examples:
  echo 010000000200000002000000074d56532e4855470200000000000000 | asset-spec check -
  asset-spec check --kind transaction --network testnet --json items.txt";

const CODES_EXAMPLES: &str = "\
Examples:
  asset-spec codes | grep '^symbol'
  asset-spec codes --json";

/// Checks attachments, outputs and transactions against the attachment standard.
#[derive(Debug, Parser)]
#[command(name = "asset-spec", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Decodes items in hexadecimal and says which clause each breaks.
    ///
    /// The input holds one item per line; empty lines and what follows a `#` do not count. Exit
    /// code: 0 when every item is good, 1 when one breaks a clause, 2 when the command or the file
    /// cannot be used.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Lists every clause with its code.
    #[command(after_help = CODES_EXAMPLES)]
    Codes {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// File with the items, or `-` for the standard input.
    file: PathBuf,
    /// What the items are; without it, each is recognised by its bytes.
    #[arg(long)]
    kind: Option<Kind>,
    /// The network whose addresses and rules count.
    #[arg(long, default_value = "mainnet")]
    network: Network,
    /// Version of the transaction around an attachment or output given by itself.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_TX_VERSION,
          value_parser = clap::value_parser!(u32).range(..=4))]
    tx_version: u32,
    /// Take all lines together as one item.
    #[arg(long)]
    single: bool,
    /// One JSON object per line for each item, and nothing else.
    #[arg(long)]
    json: bool,
}

/// The answer about one item for machines.
#[derive(Debug, Serialize)]
struct Report<'a> {
    line: usize,
    ok: bool,
    kind: Option<Kind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<usize>,
    value: Option<&'a serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical_hex: Option<String>,
}

impl<'a> Report<'a> {
    fn new(line: usize, verdict: &'a Verdict) -> Self {
        let broken = verdict.broken.as_ref();
        Self {
            line,
            ok: verdict.is_good(),
            kind: verdict.kind,
            code: broken.map(|broken| broken.code),
            clause: broken.map(clause::Broken::clause),
            message: broken.map(|broken| broken.message.as_str()),
            output: broken.and_then(|broken| broken.output),
            value: verdict.value.as_ref(),
            canonical_hex: verdict.canonical.as_ref().map(hex::encode),
        }
    }
}

/// Why the program cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{name}: {source}")]
    Source { name: String, source: SourceError },
    #[error("cannot write the answer: {0}")]
    Write(io::Error),
    #[error("cannot write the answer: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Check(args) => check_items(&args),
        Command::Codes { json } => list_codes(json),
    };
    outcome.unwrap_or_else(|failure| {
        // Not `eprintln`: that panics when nobody listens, and the exit code would be another.
        let _ = writeln!(io::stderr(), "asset-spec: {failure}");
        ExitCode::from(UNUSABLE)
    })
}

fn check_items(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let from_stdin = args.file == Path::new("-");
    let unusable = |source| Failure::Source {
        name: if from_stdin { "standard input".into() } else { args.file.display().to_string() },
        source,
    };
    let input = if from_stdin {
        source::read(io::stdin().lock())
    } else {
        File::open(&args.file).map_err(SourceError::Io).and_then(source::read)
    }
    .map_err(unusable)?;
    let context = Context { network: args.network, tx_version: args.tx_version };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut exit = ExitCode::SUCCESS;
    for item in source::items(&input, args.single).map_err(unusable)? {
        let verdict = match item.bytes() {
            Ok(bytes) => check(&bytes, args.kind, &context),
            Err(broken) => Verdict::undecoded(args.kind, broken),
        };
        if !verdict.is_good() {
            exit = ExitCode::from(BROKEN);
        }
        if args.json {
            let report = serde_json::to_string(&Report::new(item.line, &verdict))?;
            writeln!(out, "{}", escaped(&report))?;
        } else {
            write_for_people(&mut out, item.line, &verdict)?;
        }
    }
    out.flush()?;
    Ok(exit)
}

fn write_for_people(out: &mut impl Write, line: usize, verdict: &Verdict) -> Result<(), Failure> {
    if let Some(value) = &verdict.value {
        writeln!(out, "{}", escaped(&serde_json::to_string_pretty(value)?))?;
    }
    if let Some(canonical) = &verdict.canonical {
        writeln!(out, "not canonical, the chain hashes: {}", hex::encode(canonical))?;
    }
    let kind = verdict.kind.map_or("item", Kind::name);
    let Some(broken) = &verdict.broken else {
        writeln!(out, "line {line}: good {kind}")?;
        return Ok(());
    };
    let place = broken.output.map(|output| format!(", output {output}")).unwrap_or_default();
    writeln!(out, "line {line}: bad {kind}{place}: {}: {}", broken.code, broken.message)?;
    writeln!(out, "clause {}: {}", broken.code, broken.clause())?;
    Ok(())
}

/// Writes the characters inside JSON that are no ink as `\uNNNN`. The texts come from strangers: one of
/// them may be a command for the terminal (U+009B) or turn around what follows (U+202E).
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !is_hazardous(character) {
            out.push(character); // the new lines are those between the fields
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

fn list_codes(json: bool) -> Result<ExitCode, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    for clause in clause::all() {
        if json {
            serde_json::to_writer(&mut out, clause)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{:<28}{}", clause.code, clause.text)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
