//! The networks, as far as keys care.

use mvs_primitives::address::AddressFormat;

/// A network that keys belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// The main network.
    Mainnet,
    /// The test network.
    Testnet,
    /// A chain of one's own. Its addresses look like the main network's (wallet.md 3).
    Private,
}

impl Network {
    /// Every network.
    pub const ALL: [Self; 3] = [Self::Mainnet, Self::Testnet, Self::Private];

    /// Returns the version bytes of its addresses.
    pub const fn address_format(self) -> &'static AddressFormat {
        match self {
            Self::Mainnet | Self::Private => &AddressFormat::MAINNET,
            Self::Testnet => &AddressFormat::TESTNET,
        }
    }

    /// Returns its coin type for BIP44 paths, by SLIP-0044: 2302 (ETP), and 1 for everything that is
    /// worth nothing.
    pub const fn coin_type(self) -> u32 {
        match self {
            Self::Mainnet => 2302,
            Self::Testnet | Self::Private => 1,
        }
    }

    /// Returns its name in commands and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mainnet => "mainnet",
            Self::Testnet => "testnet",
            Self::Private => "private",
        }
    }

    /// Returns the number that stands for it in files.
    pub const fn to_disk(self) -> u8 {
        match self {
            Self::Mainnet => 0,
            Self::Testnet => 1,
            Self::Private => 2,
        }
    }

    /// Returns the network of a number in a file.
    pub const fn from_disk(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Mainnet),
            1 => Some(Self::Testnet),
            2 => Some(Self::Private),
            _ => None,
        }
    }
}
