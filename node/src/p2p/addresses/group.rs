//! Groups of addresses that one attacker can have cheaply.

use std::net::{IpAddr, SocketAddr};

/// The /16 of an IPv4 address or the /32 of an IPv6 address: about what one provider hands out.
///
/// Addresses of this machine and of private networks are each a group of their own, because there they
/// are as good as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group([u8; 19]);

impl Group {
    /// Returns the group of an address. The port counts on private networks only.
    pub fn of(address: SocketAddr) -> Self {
        let mut bytes = [0; 19];
        let ip = address.ip().to_canonical();
        let octets = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
            IpAddr::V6(ip) => ip.octets(),
        };
        let [high, low] = address.port().to_be_bytes();
        let (kind, len): (u8, usize) = match ip {
            _ if !is_public(ip) => (3, 18),
            IpAddr::V4(_) => (1, 14),
            IpAddr::V6(_) => (2, 4),
        };
        let whole = octets.into_iter().chain([high, low]).take(len);
        for (place, byte) in bytes.iter_mut().zip([kind].into_iter().chain(whole)) {
            *place = byte;
        }
        Self(bytes)
    }

    /// Returns a number for the group, to count by: two groups may share one by chance.
    pub fn number(&self) -> u64 {
        let mut hasher = std::hash::DefaultHasher::new();
        std::hash::Hash::hash(self, &mut hasher);
        std::hash::Hasher::finish(&hasher)
    }

    /// Returns the bytes that stand for the group in keyed hashes.
    pub(super) const fn as_bytes(&self) -> &[u8; 19] {
        &self.0
    }
}

/// Tells whether an address can belong to anybody on the internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation()
                || a == 0
                || a >= 240
                || a == 100 && (64..128).contains(&b) // carriers' own networks
                || a == 198 && (b & 0xfe) == 18 // benchmarks
                || a == 192 && b == 0 && c == 0)
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            // Global unicast is 2000::/3; less what is set aside in it.
            (0x2000..0x4000).contains(&a)
                && !(a == 0x2001 && b == 0xdb8) // documentation
                && !(a == 0x2001 && b < 0x200) // protocols, Teredo
                && a != 0x2002 // 6to4
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, is_public};

    fn group(text: &str) -> Group {
        Group::of(text.parse().unwrap())
    }

    #[test]
    fn neighbours_share_a_group() {
        assert_eq!(group("8.8.1.1:1"), group("8.8.200.7:2"));
        assert_ne!(group("8.8.1.1:1"), group("8.9.1.1:1"));
        assert_eq!(group("[::ffff:8.8.1.1]:1"), group("8.8.1.1:1"));
        assert_eq!(group("[2600:1::1]:1"), group("[2600:1:ffff::9]:2"));
        assert_ne!(group("[2600:1::1]:1"), group("[2600:2::1]:1"));
        assert_ne!(group("127.0.0.1:1"), group("127.0.0.1:2"));
        assert_ne!(group("10.0.0.1:1"), group("10.0.0.2:1"));
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for public in ["8.8.8.8", "100.63.0.1", "2600:1::1", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "240.0.0.1",
            "224.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2002::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }
}
