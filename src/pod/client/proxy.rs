//! Which servers are reached without the environment's proxy.

use std::net::IpAddr;

/// Whether `host` is reached directly: this machine itself, and what `NO_PROXY` lists (names with
/// their subdomains, addresses, address ranges, `*`).
pub(super) fn goes_direct(host: &str, no_proxy: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    no_proxy
        .split(',')
        .map(|entry| entry.trim().to_ascii_lowercase())
        .filter(|entry| !entry.is_empty())
        .any(|entry| {
            if entry == "*" {
                return true;
            }
            // A port says nothing about the host.
            let name = match entry.rsplit_once(':') {
                Some((name, port)) if !name.contains(':') && port.parse::<u16>().is_ok() => name,
                _ => entry.as_str(),
            };
            match address {
                Some(address) => name.parse() == Ok(address) || in_range(address, name),
                None => {
                    let name = name.trim_start_matches("*.").trim_start_matches('.');
                    host == name
                        || host
                            .strip_suffix(name)
                            .is_some_and(|above| above.ends_with('.'))
                }
            }
        })
}

/// Whether an address lies in a range such as `10.0.0.0/8`.
fn in_range(address: IpAddr, range: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)) << 96, 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let Some((start, length)) = range.split_once('/') else {
        return false;
    };
    let (Ok(start), Ok(length)) = (start.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let ((own, width), (start, start_width)) = (bits(address), bits(start));
    if width != start_width || length > width {
        return false;
    }
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    own & mask == start & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_from_the_proxy_are_names_addresses_and_ranges() {
        let list = ".cluster.local, example.com,10.0.0.0/8,192.168.1.5,fd00::/8,plain:6443";
        for (host, direct) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("api.cluster.local", true),
            ("example.com", true),
            ("k8s.EXAMPLE.com", true),
            ("notexample.com", false),
            ("10.1.2.3", true),
            ("11.1.2.3", false),
            ("192.168.1.5", true),
            ("192.168.1.6", false),
            ("[fd12::1]", true),
            ("[fe80::1]", false),
            ("plain", true),
            ("other", false),
        ] {
            assert_eq!(goes_direct(host, list), direct, "{host}");
        }
        assert!(goes_direct("anything", "*"));
        assert!(!goes_direct("anything", ""));
        assert!(goes_direct("1.2.3.4", "0.0.0.0/0"));
    }
}
