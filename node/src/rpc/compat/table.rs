//! The commands: names, parameters, options (rpc.md 5).

/// A command that this node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    GetHeight,
    GetInfo,
    GetBlock,
    GetBlockHeader,
    GetBestBlockHash,
    FetchHeaderExt,
    GetTx,
    GetMemoryPool,
    GetPeerInfo,
    AddNode,
    SendRawTx,
    DecodeRawTx,
    ValidateAddress,
    GetAddressEtp,
    GetAddressAsset,
    ListAssets,
    GetAsset,
    ListDids,
    GetDid,
    ListMits,
    GetMit,
    GetMiningInfo,
    GetWork,
    SubmitWork,
    SetMiningAccount,
}

/// A parameter that is told by its place; it may also be given as an option of its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Positional {
    pub(super) name: &'static str,
    pub(super) required: bool,
}

/// An option.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionSpec {
    pub(super) long: &'static str,
    pub(super) short: char,
    /// A flag stands alone; the others take the next word.
    pub(super) is_flag: bool,
}

/// A command with its names.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) command: Command,
    pub(super) names: &'static [&'static str],
    pub(super) positionals: &'static [Positional],
    pub(super) options: &'static [OptionSpec],
}

const fn needed(name: &'static str) -> Positional {
    Positional { name, required: true }
}

const fn maybe(name: &'static str) -> Positional {
    Positional { name, required: false }
}

const fn value(long: &'static str, short: char) -> OptionSpec {
    OptionSpec { long, short, is_flag: false }
}

const fn flag(long: &'static str, short: char) -> OptionSpec {
    OptionSpec { long, short, is_flag: true }
}

/// The name and password of an operator, which nobody checks here.
const ADMIN: &[Positional] = &[maybe("ADMINNAME"), maybe("ADMINAUTH")];
const ACCOUNT_MAYBE: &[Positional] = &[maybe("ACCOUNTNAME"), maybe("ACCOUNTAUTH")];
const NO_OPTIONS: &[OptionSpec] = &[];
const RAW_TX: &[Positional] = &[needed("TRANSACTION")];

macro_rules! entry {
    ($command:expr, $names:expr, $positionals:expr, $options:expr $(,)?) => {
        Entry { command: $command, names: $names, positionals: $positionals, options: $options }
    };
}

/// Every command that is answered.
pub(super) static COMMANDS: &[Entry] = &[
    entry!(Command::GetHeight, &["getheight", "fetch-height"], ADMIN, NO_OPTIONS),
    entry!(Command::GetInfo, &["getinfo"], ADMIN, NO_OPTIONS),
    entry!(
        Command::GetBlock,
        &["getblock"],
        &[needed("HASH_OR_HEIGH"), maybe("json"), maybe("tx_json")],
        NO_OPTIONS,
    ),
    entry!(
        Command::GetBlockHeader,
        &["getblockheader", "fetch-header", "getbestblockheader"],
        &[],
        &[value("hash", 's'), value("height", 't')],
    ),
    entry!(
        Command::GetBestBlockHash,
        &["getbestblockhash"],
        &[],
        &[value("hash", 's'), value("height", 't')],
    ),
    entry!(
        Command::FetchHeaderExt,
        &["fetchheaderext"],
        &[needed("ACCOUNTNAME"), needed("ACCOUNTAUTH"), needed("NUMBER")],
        NO_OPTIONS,
    ),
    entry!(
        Command::GetTx,
        &["gettx", "gettransaction", "fetch-tx"],
        &[needed("HASH"), maybe("json")],
        NO_OPTIONS,
    ),
    entry!(Command::GetMemoryPool, &["getmemorypool"], ADMIN, &[value("json", 'j')]),
    entry!(Command::GetPeerInfo, &["getpeerinfo"], ADMIN, NO_OPTIONS),
    entry!(
        Command::AddNode,
        &["addnode"],
        &[maybe("NODEADDRESS"), maybe("ADMINNAME"), maybe("ADMINAUTH")],
        &[value("operation", 'o')],
    ),
    entry!(Command::SendRawTx, &["sendrawtx"], RAW_TX, NO_OPTIONS),
    entry!(Command::DecodeRawTx, &["decoderawtx"], RAW_TX, NO_OPTIONS),
    entry!(Command::ValidateAddress, &["validateaddress"], &[maybe("PAYMENT_ADDRESS")], NO_OPTIONS,),
    entry!(
        Command::GetAddressEtp,
        &["getaddressetp", "fetch-balance"],
        &[needed("ADDRESS")],
        &[flag("deposited", 'd'), flag("utxo", 'u'), value("range", 'r')],
    ),
    entry!(
        Command::GetAddressAsset,
        &["getaddressasset"],
        &[needed("ADDRESS")],
        &[
            flag("cert", 'c'),
            flag("deposited", 'd'),
            flag("utxo", 'u'),
            value("range", 'r'),
            value("symbol", 's'),
            value("utxominimumconfirmations", 'x'),
        ],
    ),
    entry!(
        Command::ListAssets,
        &["listassets"],
        ACCOUNT_MAYBE,
        &[flag("cert", 'c'), value("type", 't')],
    ),
    entry!(
        Command::GetAsset,
        &["getasset"],
        &[maybe("SYMBOL")],
        &[flag("cert", 'c'), value("type", 't'), value("issuer", 'i')],
    ),
    entry!(
        Command::ListDids,
        &["listdids"],
        ACCOUNT_MAYBE,
        &[value("limit", 'l'), value("index", 'i')],
    ),
    entry!(Command::GetDid, &["getdid"], &[maybe("DidOrAddress")], NO_OPTIONS),
    entry!(Command::ListMits, &["listmits"], ACCOUNT_MAYBE, NO_OPTIONS),
    entry!(
        Command::GetMit,
        &["getmit"],
        &[maybe("SYMBOL")],
        &[flag("trace", 't'), value("limit", 'l'), value("index", 'i'), flag("current", 'c')],
    ),
    entry!(Command::GetMiningInfo, &["getmininginfo"], ADMIN, NO_OPTIONS),
    entry!(Command::GetWork, &["getwork", "eth_getWork"], ADMIN, NO_OPTIONS),
    entry!(
        Command::SubmitWork,
        &["submitwork", "eth_submitWork"],
        &[needed("NONCE"), needed("HEADERHASH"), needed("MIXHASH")],
        NO_OPTIONS,
    ),
    entry!(
        Command::SetMiningAccount,
        &["setminingaccount"],
        &[needed("ACCOUNTNAME"), needed("ACCOUNTAUTH"), needed("PAYMENT_ADDRESS")],
        &[value("symbol", 's')],
    ),
];

/// Commands of accounts and keys: they belong to the wallet.
pub(super) static WALLET: &[&str] = &[
    "getnewaccount",
    "getaccount",
    "deleteaccount",
    "changepasswd",
    "importaccount",
    "getnewaddress",
    "listaddresses",
    "getpublickey",
    "dumpkeyfile",
    "exportaccountasfile",
    "importkeyfile",
    "importaccountfromfile",
    "importaddress",
    "getnewmultisig",
    "listmultisig",
    "deletemultisig",
    "createmultisigtx",
    "signmultisigtx",
    "listtxs",
    "createrawtx",
    "signrawtx",
    "getbalance",
    "listbalances",
    "send",
    "didsend",
    "sendfrom",
    "didsendfrom",
    "sendmore",
    "lock",
    "validatesymbol",
    "createasset",
    "deletelocalasset",
    "deleteasset",
    "issue",
    "secondaryissue",
    "additionalissue",
    "sendasset",
    "didsendasset",
    "sendassetfrom",
    "didsendassetfrom",
    "sendmoreasset",
    "sendassetmore",
    "burn",
    "swaptoken",
    "getaccountasset",
    "issuecert",
    "transfercert",
    "registerdid",
    "didchangeaddress",
    "registermit",
    "transfermit",
    "startmining",
    "start",
    "registerwitness",
];

/// Commands that the first node has and this one does not offer.
pub(super) static NOT_OFFERED: &[&str] = &[
    "help",
    "popblock",
    "getlocked",
    "stopmining",
    "stop",
    "getstakeinfo",
    "shutdown",
    "getrandom",
    "verifyrandom",
    "send-tx",
    "settings",
    "fetch-history",
    "stealth-decode",
    "stealth-encode",
    "stealth-public",
    "stealth-secret",
    "stealth-shared",
    "tx-decode",
    "validate-tx",
];

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    Command(&'static Entry),
    Wallet(&'static str),
    NotOffered(&'static str),
}

/// Looks a name up.
pub(super) fn find(name: &str) -> Option<Found> {
    let in_list = |list: &'static [&'static str]| list.iter().copied().find(|known| *known == name);
    let entry = COMMANDS.iter().find(|entry| entry.names.contains(&name)).map(Found::Command);
    entry
        .or_else(|| in_list(WALLET).map(Found::Wallet))
        .or_else(|| in_list(NOT_OFFERED).map(Found::NotOffered))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{COMMANDS, NOT_OFFERED, WALLET};

    #[test]
    fn no_name_and_no_letter_is_used_twice() {
        let own = COMMANDS.iter().flat_map(|entry| entry.names);
        let all: Vec<&str> = own.chain(WALLET).chain(NOT_OFFERED).copied().collect();
        let different: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(different.len(), all.len());
        for entry in COMMANDS {
            let letters: BTreeSet<char> = entry.options.iter().map(|option| option.short).collect();
            assert_eq!(letters.len(), entry.options.len(), "{:?}", entry.names);
            let long = entry.options.iter().map(|option| option.long);
            let names: BTreeSet<&str> =
                entry.positionals.iter().map(|positional| positional.name).chain(long).collect();
            assert_eq!(names.len(), entry.options.len() + entry.positionals.len());
        }
    }
}
