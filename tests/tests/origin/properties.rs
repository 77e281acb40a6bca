use fdlink_core::{ConfigError, LinkAddress, LinkEndpoint as _, Options};
use fdlink_linux::{FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{OWN, PEER, STRANGER, plain, seqpacket};

pub(crate) fn test_no_ethernet_properties() {
    let endpoint = over_two(Options { ethernet_header: false, ..Options::default() });
    assert_eq!(endpoint.max_header_length(), 0);
    assert_eq!(endpoint.mtu(), 1500);
}

pub(crate) fn test_ethernet_properties() {
    let endpoint = over_two(plain());
    assert_eq!(endpoint.max_header_length(), 14);
    assert_eq!(endpoint.mtu(), 1500);
}

pub(crate) fn test_address() {
    for address in [LinkAddress::ZERO, OWN, PEER] {
        let endpoint = over_two(Options { address, ..Options::default() });
        assert_eq!(endpoint.link_address(), address);
    }
}

pub(crate) fn test_set_address() {
    let endpoint = over_two(plain());
    for address in [LinkAddress::ZERO, PEER, STRANGER] {
        endpoint.set_link_address(address).unwrap();
        assert_eq!(endpoint.link_address(), address);
    }
    // The origin stores this one.
    assert_eq!(endpoint.set_link_address(LinkAddress::BROADCAST), Err(ConfigError::GroupAddress));
    assert_eq!(endpoint.link_address(), STRANGER);
}

pub(crate) fn test_mtu() {
    let endpoint = over_two(Options { mtu: 2000, ..plain() });
    assert_eq!(endpoint.mtu(), 2000);
    for mtu in [68, 1000, 1500, 2000] {
        endpoint.set_mtu(mtu).unwrap();
        assert_eq!(endpoint.mtu(), mtu);
    }
    // The origin stores this one, and cuts what it then receives.
    assert!(matches!(endpoint.set_mtu(9000), Err(ConfigError::MtuAboveFrameLimit { mtu: 9000, .. })));
    assert_eq!(endpoint.mtu(), 2000);
}

fn over_two(options: Options) -> FdEndpoint {
    endpoint([seqpacket().0, seqpacket().0], options, &FdOptions::default()).unwrap()
}
