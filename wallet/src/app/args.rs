//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "mvs-wallet",
    version,
    about = "A wallet of the Metaverse chain that keeps its keys to itself",
    after_help = "Example: mvs-wallet --network testnet new\n\n\
        Exit codes: 0 done, 1 failed, 2 usage, 3 wallet in use, 4 keystore damaged or missing, \
        5 password, 6 the node's answer does not hold, 7 the node answered with an error, \
        8 no node answers, 9 answered with no."
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) settings: Settings,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The network: mainnet, testnet or devnet
    #[arg(long, global = true, default_value = "mainnet", value_name = "NAME")]
    pub(super) network: String,
    /// Rules of a chain of one's own, in place of --network
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) chain_spec: Option<PathBuf>,
    /// The keystore; by default wallet.keys in the wallet's folder for the network
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) keystore: Option<PathBuf>,
    /// Reads the keystore's password from a file of one line, not from the terminal
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "password_fd")]
    pub(super) password_file: Option<PathBuf>,
    /// Reads the keystore's password from an open descriptor
    #[arg(long, global = true, value_name = "NUMBER")]
    pub(super) password_fd: Option<u32>,
    /// Where the node answers; by default 127.0.0.1 and the network's port
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    pub(super) node: Option<SocketAddr>,
    /// The node's data folder, for its cookie
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(super) node_data_dir: Option<PathBuf>,
    /// Asks the node as this user, with the password of the variable RPC_PASSWORD
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "node_data_dir")]
    pub(super) user: Option<String>,
    /// Prints answers as JSON
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a wallet with new words, and shows them once
    #[command(after_help = "Example: mvs-wallet new --words 24")]
    New(NewOrder),
    /// Makes a wallet from words, which are read from the terminal or standard input
    #[command(after_help = "Example: mvs-wallet restore --addresses 20 < words.txt")]
    Restore(RestoreOrder),
    /// Lists addresses, or gives out a new one
    #[command(after_help = "Example: mvs-wallet address new")]
    Address(AddressOrder),
    /// Deposits, prepares coins, and makes stake blocks
    #[command(after_help = "Example: mvs-wallet stake status")]
    Stake(StakeOrder),
}

/// `new`
#[derive(Debug, Args)]
pub(super) struct NewOrder {
    /// How many words: 12, 15, 18, 21 or 24
    #[arg(long, default_value_t = 24, value_name = "NUMBER")]
    pub(super) words: u8,
    /// Language of the words: en, es, ja, zh-hans, ...
    #[arg(long, default_value = "en", value_name = "LANGUAGE")]
    pub(super) language: String,
}

/// `restore`
#[derive(Debug, Args)]
pub(super) struct RestoreOrder {
    /// How many addresses the wallet had given out
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    pub(super) addresses: u32,
    /// The words have a passphrase, which is asked for
    #[arg(long)]
    pub(super) passphrase: bool,
}

/// `address`
#[derive(Debug, Args)]
pub(super) struct AddressOrder {
    #[command(subcommand)]
    pub(super) command: AddressCommand,
}

/// `address ...`
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum AddressCommand {
    /// Lists the addresses that were given out
    #[command(after_help = "Example: mvs-wallet address list --json")]
    List,
    /// Gives out the next address
    #[command(after_help = "Example: mvs-wallet address new")]
    New,
}

/// `stake`
#[derive(Debug, Args)]
pub(super) struct StakeOrder {
    /// The address that stakes; by default the wallet's first
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(super) address: Option<String>,
    #[command(subcommand)]
    pub(super) command: StakeCommand,
}

/// `stake ...`
#[derive(Debug, Subcommand)]
pub(super) enum StakeCommand {
    /// Tells deposits, coins, difficulty, and the expected time to a block
    #[command(after_help = "Example: mvs-wallet stake status --address M...\n\
        With --address no keystore is opened.")]
    Status,
    /// Locks coin for some blocks, which entitles the address to make stake blocks
    #[command(after_help = "Example: mvs-wallet stake deposit 1000 --blocks 30000")]
    Deposit {
        /// How much, in ETP
        #[arg(value_name = "AMOUNT")]
        amount: String,
        /// For how many blocks; by default as few as entitle
        #[arg(long, value_name = "NUMBER")]
        blocks: Option<u32>,
        #[command(flatten)]
        pay: PayOrder,
    },
    /// Splits a coin into equal parts, each of which can be staked
    #[command(after_help = "Example: mvs-wallet stake split --into 5")]
    Split {
        /// How many parts, 2 to 100
        #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(2..=100))]
        into: u32,
        /// Which coin; by default the largest
        #[arg(long, value_name = "TXID:INDEX")]
        coin: Option<String>,
        #[command(flatten)]
        pay: PayOrder,
    },
    /// Joins coins that are too small to be staked into one
    #[command(after_help = "Example: mvs-wallet stake combine --most 50")]
    Combine {
        /// How many coins at most, the smallest first
        #[arg(long, default_value_t = 100, value_name = "NUMBER",
            value_parser = clap::value_parser!(u32).range(2..=600))]
        most: u32,
        /// Takes coins that can be staked as well
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        pay: PayOrder,
    },
    /// Makes stake blocks until it is stopped
    #[command(after_help = "Example: mvs-wallet stake run --password-file key.txt")]
    Run(RunOrder),
}

/// How a transaction is paid for.
#[derive(Debug, Args)]
pub(super) struct PayOrder {
    /// The fee, in ETP; by default the least
    #[arg(long, value_name = "AMOUNT")]
    pub(super) fee: Option<String>,
    /// The most that a fee may be, in ETP
    #[arg(long, default_value = "0.01", value_name = "AMOUNT")]
    pub(super) max_fee: String,
    /// Does not ask before it signs
    #[arg(long)]
    pub(super) yes: bool,
    /// Shows the transaction and ends: signs and sends nothing
    #[arg(long, conflicts_with = "yes")]
    pub(super) dry_run: bool,
}

/// `stake run`
#[derive(Debug, Args)]
pub(super) struct RunOrder {
    /// Whom subsidy and fees go to; by default the address that stakes
    #[arg(long, value_name = "ADDRESS")]
    pub(super) payout: Option<String>,
    /// A staked coin of this much or more, in ETP, comes back in two parts; 0 for never. At least
    /// twice what can be staked
    #[arg(long, default_value = "2000", value_name = "AMOUNT")]
    pub(super) split_from: String,
    /// Time between two looks at the node, in milliseconds
    #[arg(long, default_value_t = 1_000, value_name = "NUMBER",
        value_parser = clap::value_parser!(u64).range(10..=60_000))]
    pub(super) poll_ms: u64,
    /// Stops after so many blocks
    #[arg(long, value_name = "NUMBER")]
    pub(super) blocks: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_sound_and_each_command_has_an_example() {
        let mut command = Arguments::command();
        command.clone().debug_assert();
        fn check(command: &mut clap::Command, path: &str) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example: mvs-wallet"), "{path}");
            let names: Vec<String> =
                command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
            for name in names.iter().filter(|name| *name != "help") {
                let sub = command.find_subcommand_mut(name).unwrap();
                check(sub, &format!("{path} {name}"));
            }
        }
        check(&mut command, "mvs-wallet");
    }

    #[test]
    fn a_password_is_never_an_argument() {
        for wrong in ["--password=x", "--password"] {
            assert!(Arguments::try_parse_from(["mvs-wallet", wrong, "new"]).is_err());
        }
        let both = ["mvs-wallet", "--password-file", "a", "--password-fd", "3", "new"];
        assert!(Arguments::try_parse_from(both).is_err());
    }
}
