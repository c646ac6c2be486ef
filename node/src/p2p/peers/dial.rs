//! Opens connections, directly or through a SOCKS5 proxy.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// An address.
    Address(SocketAddr),
    /// A name that only the proxy resolves, so that no question leaks around it.
    Name(String, u16),
}

/// Opens a connection.
///
/// # Errors
/// What the system or the proxy says, or that it took too long.
pub(super) async fn dial(
    target: &Target,
    proxy: Option<SocketAddr>,
    within: Duration,
) -> io::Result<TcpStream> {
    let connecting = async {
        match (proxy, target) {
            (None, Target::Address(address)) => TcpStream::connect(address).await,
            (None, Target::Name(..)) => Err(io::Error::other("a name needs a proxy")),
            (Some(proxy), target) => {
                let mut stream = TcpStream::connect(proxy).await?;
                ask_proxy(&mut stream, target).await?;
                Ok(stream)
            }
        }
    };
    let stream = timeout(within, connecting)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks a SOCKS5 proxy without authentication for a connection (RFC 1928, sections 3 to 6).
async fn ask_proxy(stream: &mut TcpStream, target: &Target) -> io::Result<()> {
    const VERSION: u8 = 5;
    stream.write_all(&[VERSION, 1, 0]).await?; // one method: none
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await?;
    if choice != [VERSION, 0] {
        return Err(io::Error::other("the proxy wants authentication or is none"));
    }

    let mut request = vec![VERSION, 1, 0]; // connect
    let port = match target {
        Target::Address(address) => {
            match address.ip().to_canonical() {
                IpAddr::V4(ip) => request.extend([1].iter().chain(&ip.octets())),
                IpAddr::V6(ip) => request.extend([4].iter().chain(&ip.octets())),
            }
            address.port()
        }
        Target::Name(name, port) => {
            let len = u8::try_from(name.len()).map_err(|_| io::Error::other("name too long"))?;
            request.extend([3, len]);
            request.extend(name.as_bytes());
            *port
        }
    };
    request.extend(port.to_be_bytes());
    stream.write_all(&request).await?;

    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    let [version, code, _, kind] = answer;
    if (version, code) != (VERSION, 0) {
        return Err(io::Error::other(format!("the proxy answers {code}")));
    }
    let bound = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await?),
        _ => return Err(io::Error::other("the proxy answers nonsense")),
    };
    // The proxy's own end, of no use: at most 255 + 2 bytes.
    let mut rest = vec![0; bound + 2];
    stream.read_exact(&mut rest).await?;
    Ok(())
}
