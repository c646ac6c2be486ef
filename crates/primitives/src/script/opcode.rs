//! Operation codes by their names.

use std::fmt;

/// One operation code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(u8);

macro_rules! opcodes {
    ($($name:ident = $byte:literal, $text:literal;)*) => {
        impl Opcode {
            $(
                #[doc = concat!("`", $text, "`, byte ", stringify!($byte), ".")]
                pub const $name: Self = Self($byte);
            )*

            /// Returns the word for this operation, if it has one.
            pub const fn word(self) -> Option<&'static str> {
                match self.0 {
                    $($byte => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

opcodes! {
    PUSH_0 = 0x00, "zero";
    PUSHDATA1 = 0x4c, "pushdata1";
    PUSHDATA2 = 0x4d, "pushdata2";
    PUSHDATA4 = 0x4e, "pushdata4";
    NEGATIVE_1 = 0x4f, "-1";
    RESERVED = 0x50, "reserved";
    OP_1 = 0x51, "1";
    OP_2 = 0x52, "2";
    OP_3 = 0x53, "3";
    OP_16 = 0x60, "16";
    NOP = 0x61, "nop";
    VER = 0x62, "ver";
    IF = 0x63, "if";
    NOTIF = 0x64, "notif";
    VERIF = 0x65, "verif";
    VERNOTIF = 0x66, "vernotif";
    ELSE = 0x67, "else";
    ENDIF = 0x68, "endif";
    VERIFY = 0x69, "verify";
    RETURN = 0x6a, "return";
    TOALTSTACK = 0x6b, "toaltstack";
    FROMALTSTACK = 0x6c, "fromaltstack";
    DROP2 = 0x6d, "2drop";
    DUP2 = 0x6e, "2dup";
    DUP3 = 0x6f, "3dup";
    OVER2 = 0x70, "2over";
    ROT2 = 0x71, "2rot";
    SWAP2 = 0x72, "2swap";
    IFDUP = 0x73, "ifdup";
    DEPTH = 0x74, "depth";
    DROP = 0x75, "drop";
    DUP = 0x76, "dup";
    NIP = 0x77, "nip";
    OVER = 0x78, "over";
    PICK = 0x79, "pick";
    ROLL = 0x7a, "roll";
    ROT = 0x7b, "rot";
    SWAP = 0x7c, "swap";
    TUCK = 0x7d, "tuck";
    CAT = 0x7e, "cat";
    SUBSTR = 0x7f, "substr";
    LEFT = 0x80, "left";
    RIGHT = 0x81, "right";
    SIZE = 0x82, "size";
    INVERT = 0x83, "invert";
    AND = 0x84, "and";
    OR = 0x85, "or";
    XOR = 0x86, "xor";
    EQUAL = 0x87, "equal";
    EQUALVERIFY = 0x88, "equalverify";
    RESERVED1 = 0x89, "reserved1";
    RESERVED2 = 0x8a, "reserved2";
    ADD1 = 0x8b, "1add";
    SUB1 = 0x8c, "1sub";
    MUL2 = 0x8d, "2mul";
    DIV2 = 0x8e, "2div";
    NEGATE = 0x8f, "negate";
    ABS = 0x90, "abs";
    NOT = 0x91, "not";
    NOTEQUAL0 = 0x92, "0notequal";
    ADD = 0x93, "add";
    SUB = 0x94, "sub";
    MUL = 0x95, "mul";
    DIV = 0x96, "div";
    MOD = 0x97, "mod";
    LSHIFT = 0x98, "lshift";
    RSHIFT = 0x99, "rshift";
    BOOLAND = 0x9a, "booland";
    BOOLOR = 0x9b, "boolor";
    NUMEQUAL = 0x9c, "numequal";
    NUMEQUALVERIFY = 0x9d, "numequalverify";
    NUMNOTEQUAL = 0x9e, "numnotequal";
    LESSTHAN = 0x9f, "lessthan";
    GREATERTHAN = 0xa0, "greaterthan";
    LESSTHANOREQUAL = 0xa1, "lessthanorequal";
    GREATERTHANOREQUAL = 0xa2, "greaterthanorequal";
    MIN = 0xa3, "min";
    MAX = 0xa4, "max";
    WITHIN = 0xa5, "within";
    RIPEMD160 = 0xa6, "ripemd160";
    SHA1 = 0xa7, "sha1";
    SHA256 = 0xa8, "sha256";
    HASH160 = 0xa9, "hash160";
    HASH256 = 0xaa, "hash256";
    CODESEPARATOR = 0xab, "codeseparator";
    CHECKSIG = 0xac, "checksig";
    CHECKSIGVERIFY = 0xad, "checksigverify";
    CHECKMULTISIG = 0xae, "checkmultisig";
    CHECKMULTISIGVERIFY = 0xaf, "checkmultisigverify";
    NOP1 = 0xb0, "nop1";
    CHECKLOCKTIMEVERIFY = 0xb1, "checklocktimeverify";
    CHECKATTENUATIONVERIFY = 0xb2, "checkattenuationverify";
    CHECKSEQUENCEVERIFY = 0xb3, "checksequenceverify";
    NOP5 = 0xb4, "nop5";
    NOP10 = 0xb9, "nop10";
    MARKER = 0xbb, "raw_data";
}

impl Opcode {
    /// Wraps a byte.
    pub const fn new(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the byte.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Tells whether the operation pushes the bytes that follow it directly (1 to 75 bytes).
    pub const fn is_direct_push(self) -> bool {
        matches!(self.0, 1..=75)
    }

    /// Tells whether the operation only pushes: bytes, or one of the numbers -1 and 1 to 16.
    pub const fn is_push(self) -> bool {
        matches!(self.0, 0x00..=0x4f | 0x51..=0x60)
    }

    /// Returns the number that `OP_1` to `OP_16` push, else `None`.
    pub const fn small_number(self) -> Option<u8> {
        match self.0 {
            0x51..=0x60 => Some(self.0 - 0x50), // within the matched range
            _ => None,
        }
    }

    /// Returns `OP_1` to `OP_16`, or `None` for another number.
    pub const fn from_small_number(number: u8) -> Option<Self> {
        match number {
            1..=16 => Some(Self(0x50 + number)), // at most 0x60
            _ => None,
        }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.word(), self.small_number()) {
            (Some(word), _) => f.write_str(word),
            (None, Some(number)) => write!(f, "{number}"),
            (None, None) => write!(f, "0x{:02x}", self.0),
        }
    }
}
