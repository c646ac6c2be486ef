//! Keeps web pages out. A page that somebody looks at can make his browser send requests to this
//! machine; it cannot choose what the browser says about the page.

use std::net::IpAddr;

use axum::http::{HeaderMap, Uri, header};

/// Knows under which names the node may be asked, and by pages of which origins.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// No `Host`, or several.
    #[error("one Host header is needed")]
    NoHost,
    /// A name that somebody may have pointed at this machine.
    #[error("the node is not asked under this name; see rpc_hosts")]
    Host,
    /// A web page.
    #[error("pages of this origin may not ask the node; see rpc_origins")]
    Origin,
}

impl Guard {
    /// Allows names beside localhost and bare addresses, and pages of origins.
    pub fn new(hosts: &[String], origins: &[String]) -> Self {
        Self {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        }
    }

    /// Tells what is wrong with names or origins that could never match, or that match too much.
    ///
    /// # Errors
    /// For people.
    pub fn check_settings(hosts: &[String], origins: &[String]) -> Result<(), String> {
        let is_name = |host: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            !host.is_empty() && host.chars().all(is_plain)
        };
        if let Some(host) = hosts.iter().find(|host| !is_name(host)) {
            return Err(format!("rpc_hosts: {host:?} is no name; write it without port and `*`"));
        }
        let is_origin = |origin: &str| {
            let Some((scheme, host)) = origin.split_once("://") else { return false };
            let named = split_host(host).is_some_and(|(name, port)| {
                let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
                has_port && (is_name(name) || name.parse::<IpAddr>().is_ok())
            });
            named && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        match origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => {
                Err(format!("rpc_origins: {origin:?} is no origin, as \"https://example.org\""))
            }
            None => Ok(()),
        }
    }

    /// Looks at a request; returns the origin of the page that sends it, if one does.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().map_err(|_| Refusal::Host)?,
            _ => return Err(Refusal::NoHost),
        };
        let is_ours = self.is_host(host)
            && uri.authority().is_none_or(|authority| self.is_host(authority.as_str()));
        if !is_ours {
            return Err(Refusal::Host);
        }
        let mut origin = None;
        for value in headers.get_all(header::ORIGIN) {
            let text = value.to_str().map_err(|_| Refusal::Origin)?.to_ascii_lowercase();
            if !self.origins.contains(&text) {
                return Err(Refusal::Origin);
            }
            origin = Some(text);
        }
        Ok(origin)
    }

    /// A bare address was not looked up, so nobody can have pointed it here.
    fn is_host(&self, host: &str) -> bool {
        let Some((name, port)) = split_host(host) else { return false };
        if !port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
            return false;
        }
        let name = name.to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }
}

/// Splits `name`, `name:port`, `[address]` or `[address]:port`.
fn split_host(host: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = host.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((name, Some(port))),
            None => rest.is_empty().then_some((name, None)),
        };
    }
    match host.split_once(':') {
        Some((name, port)) => Some((name, Some(port))),
        None => Some((host, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Guard, Refusal};
    use axum::http::{HeaderMap, HeaderName, Uri};

    fn check(headers: &[(&'static str, &'static str)]) -> Result<Option<String>, Refusal> {
        let guard = Guard::new(&["Node.Example".to_owned()], &["https://page.example".to_owned()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        guard.check(&Uri::from_static("/rpc"), &map)
    }

    #[test]
    fn names_that_can_be_pointed_here_are_refused() {
        for good in ["localhost", "localhost:1", "127.0.0.1:8820", "[::1]:8820", "node.example:1"] {
            assert_eq!(check(&[("host", good)]), Ok(None), "{good}");
        }
        for bad in [
            "evil.example",
            "127.0.0.1.evil.example:8820",
            "localhost.evil.example",
            "",
            "[x]",
            "localhost:80.evil.example",
            "localhost:@evil.example",
            "[::1]evil.example",
            "[::1",
        ] {
            assert_eq!(check(&[("host", bad)]), Err(Refusal::Host), "{bad}");
        }
        assert_eq!(check(&[]), Err(Refusal::NoHost));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(check(&two), Err(Refusal::NoHost));
        let guard = Guard::default();
        let mut map = HeaderMap::new();
        map.append("host", "localhost".parse().unwrap());
        let uri = Uri::from_static("http://evil.example/rpc");
        assert_eq!(guard.check(&uri, &map), Err(Refusal::Host));
    }

    #[test]
    fn settings_that_never_match_are_refused() {
        let owned =
            |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let check = |hosts: &[&str], origins: &[&str]| {
            Guard::check_settings(&owned(hosts), &owned(origins))
        };
        let good = ["https://page.example", "http://127.0.0.1:80", "http://[::1]:1"];
        assert_eq!(check(&["node.example", "node"], &good), Ok(()));
        for host in ["node.example:8820", "*", "", "http://node"] {
            assert!(check(&[host], &[]).is_err(), "{host}");
        }
        for origin in ["null", "*", "foo", "https://a.example/", "https://", "https://a:b"] {
            assert!(check(&[], &[origin]).is_err(), "{origin}");
        }
    }

    #[test]
    fn pages_are_refused_unless_they_are_named() {
        let page = |origin| check(&[("host", "localhost"), ("origin", origin)]);
        assert_eq!(page("https://page.example"), Ok(Some("https://page.example".to_owned())));
        for bad in ["https://evil.example", "null", "http://page.example", "http://localhost:8820"]
        {
            assert_eq!(page(bad), Err(Refusal::Origin), "{bad}");
        }
    }
}
