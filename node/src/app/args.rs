//! The command line. Flags of settings derive from [`FIELDS`].

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches};
use clap_complete::Shell;
use mvs_primitives::height::Height;

use super::Exit;
use crate::config::{ConfigError, Effective, FIELDS, Source};
use crate::rpc::Grant;

/// What the program is to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Be a node.
    Run,
    /// Print the configuration.
    Config,
    /// Check the store.
    Check,
    /// Put the store together again.
    Repair,
    /// Write blocks to a file.
    Export { file: PathBuf, first: Height, last: Option<Height> },
    /// Read blocks from a file.
    Import { file: PathBuf },
    /// Ask a running node.
    Cli(CliOrder),
    /// Make a user of the RPC.
    RpcUser { name: String, grant: Grant },
    /// Print completions for a shell.
    Completions { shell: Shell },
    /// Write man pages.
    Man { folder: PathBuf },
    /// Something about chain specs.
    Spec(SpecOrder),
}

/// `cli ...`
#[derive(Debug)]
pub(super) struct CliOrder {
    /// Name of the method.
    pub(super) method: String,
    /// Its parameters: in order, or each as `name=value`.
    pub(super) params: Vec<String>,
    /// Print the answer as JSON.
    pub(super) is_json: bool,
    /// A user other than the cookie; the password is in the variable `RPC_PASSWORD`.
    pub(super) user: Option<String>,
}

/// `chain-spec ...`
#[derive(Debug)]
pub(super) enum SpecOrder {
    /// Print the rules of the chain.
    Print,
    /// Check a file.
    Validate { file: PathBuf },
    /// Make a private chain.
    Create { file: PathBuf, name: String, magic: Option<u32>, pos_height: Option<u32> },
}

/// Command and configuration.
#[derive(Debug)]
pub(super) struct Invocation {
    pub(super) effective: Effective,
    pub(super) command: Command,
}

/// Reads the arguments and the environment of the process.
#[expect(clippy::print_stderr, reason = "usage errors go to the person at the terminal")]
pub(super) fn read() -> Result<Invocation, Exit> {
    // clap prints usage errors and help by itself, and ends the process with 2 or 0.
    let matches = command().get_matches();
    let effective = effective(&matches).map_err(|error| {
        eprintln!("mvs-node: {error}");
        Exit::Usage
    })?;
    let command = match matches.subcommand() {
        None | Some(("run", _)) => Command::Run,
        Some(("config", _)) => Command::Config,
        Some(("check", _)) => Command::Check,
        Some(("repair", _)) => Command::Repair,
        Some(("export", sub)) => Command::Export {
            file: path(sub, "file"),
            first: Height::new(sub.get_one("from").copied().unwrap_or(1)),
            last: sub.get_one("to").copied().map(Height::new),
        },
        Some(("import", sub)) => Command::Import { file: path(sub, "file") },
        Some(("cli", sub)) => Command::Cli(CliOrder {
            method: sub.get_one::<String>("method").cloned().unwrap_or_default(),
            params: sub
                .get_many::<String>("params")
                .map(|all| all.cloned().collect())
                .unwrap_or_default(),
            is_json: sub.get_flag("json"),
            user: sub.get_one::<String>("user").cloned(),
        }),
        Some(("rpc-user", sub)) => Command::RpcUser {
            name: sub.get_one::<String>("name").cloned().unwrap_or_default(),
            grant: sub.get_one("right").copied().unwrap_or(Grant::Read),
        },
        Some(("completions", sub)) => {
            Command::Completions { shell: sub.get_one("shell").copied().unwrap_or(Shell::Bash) }
        }
        Some(("man", sub)) => Command::Man { folder: path(sub, "folder") },
        Some(("chain-spec", sub)) => Command::Spec(match sub.subcommand() {
            Some(("validate", sub)) => SpecOrder::Validate { file: path(sub, "file") },
            Some(("create", sub)) => SpecOrder::Create {
                file: path(sub, "file"),
                name: sub.get_one::<String>("name").cloned().unwrap_or_default(),
                magic: sub.get_one("magic").copied(),
                pos_height: sub.get_one("pos-height").copied(),
            },
            _ => SpecOrder::Print,
        }),
        Some((other, _)) => unreachable!("clap knows no command {other}"),
    };
    Ok(Invocation { effective, command })
}

fn path(matches: &ArgMatches, name: &str) -> PathBuf {
    matches.get_one::<PathBuf>(name).cloned().unwrap_or_default()
}

fn effective(matches: &ArgMatches) -> Result<Effective, ConfigError> {
    let mut source = Source {
        variables: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        ..Source::default()
    };
    let given = matches.get_one::<PathBuf>("config").cloned();
    // A file that is named must be there; the usual one need not.
    let usual = || super::setup::usual_config_file().filter(|path| path.is_file());
    if let Some(path) = given.or_else(usual) {
        let text = std::fs::read_to_string(&path)
            .map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        source.file = Some((path, text));
    }
    for field in FIELDS {
        let flag = field.flag();
        let value = if field.is_switch {
            let off = matches.get_flag(&format!("no-{flag}"));
            let on = matches.get_one::<String>(&flag).cloned();
            if off { Some("false".to_owned()) } else { on }
        } else if field.is_list {
            matches.get_many::<String>(&flag).map(|all| all.cloned().collect::<Vec<_>>().join(","))
        } else {
            matches.get_one::<String>(&flag).cloned()
        };
        source.flags.extend(value.map(|value| (field.key, value)));
    }
    Effective::new(&source)
}

pub(super) fn command() -> clap::Command {
    let file = |help: &'static str| {
        Arg::new("file")
            .value_name("FILE")
            .required(true)
            .value_parser(clap::value_parser!(PathBuf))
            .help(help)
    };
    let height = |name: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name("HEIGHT")
            .value_parser(clap::value_parser!(u32))
            .help(help)
    };
    let create = clap::Command::new("create")
        .about("Writes a chain spec for a private chain")
        .arg(file("The file to write; it must not exist"))
        .arg(Arg::new("name").long("name").required(true).help("Name of the chain"))
        .arg(
            Arg::new("magic")
                .long("magic")
                .value_parser(clap::value_parser!(u32))
                .help("Message magic; by default derived from the name"),
        )
        .arg(
            Arg::new("pos-height")
                .long("pos-height")
                .value_parser(clap::value_parser!(u32))
                .help("First height of the stake era"),
        );
    let spec = clap::Command::new("chain-spec")
        .about("Shows, checks and makes the rules of a chain")
        .subcommand_required(true)
        .subcommand(clap::Command::new("print").about("Prints every rule of the chain"))
        .subcommand(
            clap::Command::new("validate").about("Checks a chain spec").arg(file("The chain spec")),
        )
        .subcommand(create);
    clap::Command::new("mvs-node")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A full node of the Metaverse chain")
        .after_help(
            "Settings come from flags, environment variables (MVSNODE_...), the file, and \
             defaults, in this order. `mvs-node config` shows each with its origin.\n\
             Exit codes: 0 done, 1 failed, 2 usage, 3 data folder in use, 4 store damaged, 5 disk, \
             6 check or import found something wrong, 7 and 8 see `cli`, 130 ended by force.",
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .global(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Configuration file"),
        )
        .args(setting_flags())
        .subcommand(clap::Command::new("run").about("Runs the node (the default)"))
        .subcommand(
            clap::Command::new("config")
                .about("Prints the effective configuration with the origin of each value"),
        )
        .subcommand(clap::Command::new("check").about("Reads the whole store and checks it"))
        .subcommand(
            clap::Command::new("repair").about("Puts a damaged store together from its blocks"),
        )
        .subcommand(
            clap::Command::new("export")
                .about("Writes blocks to a file")
                .arg(file("The file; gzip if its name ends in .gz, standard output if it is -"))
                .arg(height("from", "First height, 1 by default"))
                .arg(height("to", "Last height, the tip by default")),
        )
        .subcommand(
            clap::Command::new("import")
                .about("Reads blocks from a file, and judges them as if a peer had sent them")
                .arg(file("The file, plain or gzip; standard input if it is -")),
        )
        .subcommand(cli_command())
        .subcommand(user_command())
        .subcommands(shell_commands())
        .subcommand(spec)
}

fn cli_command() -> clap::Command {
    clap::Command::new("cli")
        .about("Asks a running node; `cli control_help` lists the methods")
        .after_help(
            "The node is found by the data folder (its cookie) and by --rpc-listen.\n\
             Exit codes: 0 answered, 2 usage, 7 the node answered with an error, 8 no node answers.",
        )
        .arg(
            Arg::new("method")
                .index(1)
                .value_name("METHOD")
                .required(true)
                .help("Name of the method"),
        )
        .arg(
            Arg::new("params")
                .index(2)
                .value_name("VALUE")
                .num_args(0..)
                .allow_negative_numbers(true)
                .help("Parameters in order, or each as NAME=VALUE"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Prints the answer as JSON"),
        )
        .arg(
            Arg::new("user")
                .long("user")
                .value_name("NAME")
                .help("Asks as this user, with the password of the variable RPC_PASSWORD"),
        )
}

fn shell_commands() -> [clap::Command; 2] {
    let completions = clap::Command::new("completions")
        .about("Prints completions for a shell, methods of `cli` among them")
        .after_help("Example: mvs-node completions bash > ~/.local/share/bash-completion/completions/mvs-node")
        .arg(
            Arg::new("shell")
                .value_name("SHELL")
                .required(true)
                .value_parser(clap::value_parser!(Shell))
                .help("The shell"),
        );
    let man = clap::Command::new("man")
        .about("Writes the man pages of the program and of its commands into a folder")
        .after_help("Example: mvs-node man ~/.local/share/man/man1")
        .arg(
            Arg::new("folder")
                .value_name("FOLDER")
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("The folder, which is made if it is not there"),
        );
    [completions, man]
}

fn user_command() -> clap::Command {
    let rights = |text: &str| Grant::from_name(text).ok_or("one of read, mine, all");
    clap::Command::new("rpc-user")
        .about("Asks for a password and prints a line for the file rpc_users")
        .arg(Arg::new("name").value_name("NAME").required(true).help("Name of the user"))
        .arg(
            Arg::new("right")
                .value_name("RIGHT")
                .required(true)
                .value_parser(rights)
                .help("read, mine or all"),
        )
}

fn setting_flags() -> Vec<Arg> {
    let mut flags = Vec::new();
    for field in FIELDS {
        let flag = field.flag();
        let doc = field.doc.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let help = doc.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned();
        let mut arg = Arg::new(flag.clone())
            .long(flag.clone())
            .global(true)
            .help(help)
            .long_help(format!("{doc}\n[{}, {}]", field.path(), field.variable()))
            .help_heading(field.section.to_owned());
        if field.is_switch {
            arg = arg.num_args(0..=1).default_missing_value("true").require_equals(true);
            let off = format!("no-{flag}");
            flags.push(
                Arg::new(off.clone())
                    .long(off)
                    .global(true)
                    .action(ArgAction::SetTrue)
                    .conflicts_with(flag)
                    .hide_short_help(true)
                    .help(format!("The same as --{}=false", field.flag()))
                    .help_heading(field.section.to_owned()),
            );
        } else if field.is_list {
            arg = arg.action(ArgAction::Append);
        }
        flags.push(arg);
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::{command, effective};

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_reach_their_settings() {
        let line = "mvs-node --network devnet --no-seeds --connect 127.0.0.1:1 \
                    --connect 127.0.0.1:2 import x --max-upload 1GB --relay=false";
        let matches = command().try_get_matches_from(line.split_whitespace()).unwrap();
        let matches = {
            // Global flags may stand on either side of the command.
            matches
        };
        let config = effective(&matches).unwrap().config;
        assert_eq!(config.chain.network, "devnet");
        assert!(!config.p2p.seeds && !config.p2p.relay);
        assert_eq!(config.p2p.connect.len(), 2);
        assert_eq!(config.p2p.max_upload.get(), 1_000_000_000);
    }
}
