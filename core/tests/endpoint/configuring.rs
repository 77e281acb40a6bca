//! Options: what is taken, what is rejected and why, what can be changed later.

use fdlink_core::{
    ArpHardwareType, Capabilities, ConfigError, Endpoint, GsoSupport, LinkAddress, LinkEndpoint as _, Options, Queue,
};

use crate::{Link, OTHER, OWN};

fn rejection(options: Options) -> Option<ConfigError> {
    let link = Link::new();
    Endpoint::new([Queue::new(link.ends().0)], options).err()
}

#[test]
fn getters_tell_what_the_options_said() {
    let link = Link::new();
    let options = Options { mtu: 1280, address: OWN, disconnect_ok: true, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(link.ends().0)], options).unwrap();
    assert_eq!(endpoint.mtu(), 1280);
    assert_eq!(endpoint.link_address(), OWN);
    assert_eq!(endpoint.capabilities(), Capabilities::RESOLUTION_REQUIRED | Capabilities::DISCONNECT_OK);
    assert_eq!(endpoint.max_header_length(), 14);
    assert_eq!(endpoint.arp_hardware_type(), ArpHardwareType::Ether);
    assert_eq!((endpoint.supported_gso(), endpoint.gso_max_size()), (GsoSupport::None, 0));
}

#[test]
fn endpoint_without_link_header_has_no_header_and_resolves_nothing() {
    let link = Link::new();
    let options = Options { ethernet_header: false, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(link.ends().0)], options).unwrap();
    assert_eq!(endpoint.max_header_length(), 0);
    assert_eq!(endpoint.capabilities(), Capabilities::empty());
    assert_eq!(endpoint.arp_hardware_type(), ArpHardwareType::None);
}

#[test]
fn setters_store_what_is_legal_and_nothing_else() {
    let link = Link::new();
    let endpoint = Endpoint::new([Queue::new(link.ends().0)], Options::default()).unwrap();
    assert_eq!(endpoint.set_mtu(576), Ok(()));
    assert_eq!(endpoint.set_mtu(0), Err(ConfigError::MtuZero));
    assert_eq!(endpoint.set_mtu(1501), Err(ConfigError::MtuAboveFrameLimit { mtu: 1501, max: 1500 }));
    assert_eq!(endpoint.mtu(), 576);
    assert_eq!(endpoint.set_link_address(OTHER), Ok(()));
    assert_eq!(endpoint.set_link_address(LinkAddress::BROADCAST), Err(ConfigError::GroupAddress));
    assert_eq!(endpoint.link_address(), OTHER);
}

#[test]
fn mtu_may_be_what_fits_the_frames_and_no_more() {
    let max = |mtu| Some(ConfigError::MtuAboveFrameLimit { mtu, max: 1500 });
    assert_eq!(rejection(Options { mtu: 1500, ..Options::default() }), None);
    assert_eq!(rejection(Options { mtu: 1501, ..Options::default() }), max(1501));
    assert_eq!(rejection(Options { mtu: u32::MAX, ..Options::default() }), max(u32::MAX));
    assert_eq!(rejection(Options { mtu: 1514, ethernet_header: false, ..Options::default() }), None);
    assert_eq!(rejection(Options { mtu: 0, ..Options::default() }), Some(ConfigError::MtuZero));
}

#[test]
fn narrowest_channel_decides_about_the_mtu() {
    let links = [Link::new(), Link::new().with_receive_len(614)];
    let queues: Vec<_> = links.iter().map(|link| Queue::new(link.ends().0)).collect();
    let error = Endpoint::new(queues, Options::default()).err();
    assert_eq!(error, Some(ConfigError::MtuAboveFrameLimit { mtu: 1500, max: 600 }));
}

#[test]
fn channel_shorter_than_a_link_header_carries_nothing() {
    let link = Link::new().with_receive_len(10);
    let error = Endpoint::new([Queue::new(link.ends().0)], Options::default()).err();
    assert_eq!(error, Some(ConfigError::MtuAboveFrameLimit { mtu: 1500, max: 0 }));
}

#[test]
fn queues_are_one_to_65536() {
    let none: [Queue<fdlink_mock::End<'_, 16, 1514>>; 0] = [];
    assert_eq!(Endpoint::new(none, Options::default()).err(), Some(ConfigError::NoQueues));
    let script = crate::scripted::Script::default();
    let queues = |n| (0..n).map(|_| Queue::new(crate::scripted::Scripted(&script))).collect::<Vec<_>>();
    assert!(Endpoint::new(queues(65_536), Options::default()).is_ok());
    assert_eq!(Endpoint::new(queues(65_537), Options::default()).err(), Some(ConfigError::TooManyQueues));
}

#[test]
fn addresses_are_unicast_and_need_a_link_header() {
    let group = LinkAddress([1, 0, 0x5e, 0, 0, 1]);
    assert_eq!(rejection(Options { address: group, ..Options::default() }), Some(ConfigError::GroupAddress));
    let headless = Options { address: OWN, ethernet_header: false, ..Options::default() };
    assert_eq!(rejection(headless), Some(ConfigError::AddressWithoutEthernet));
}

#[test]
fn budget_of_zero_is_rejected() {
    assert_eq!(rejection(Options { rx_budget: 0, ..Options::default() }), Some(ConfigError::RxBudgetZero));
}

#[test]
fn longest_super_frame_needs_somebody_to_segment_it() {
    let options = Options { gso_max_size: 1, ..Options::default() };
    assert_eq!(rejection(options), Some(ConfigError::GsoMaxSizeWithoutGso));
    assert_eq!(rejection(Options { gso: GsoSupport::Software, ..options }), None);
}

#[test]
fn backlog_of_zero_is_rejected_and_any_number_of_processors_is_not() {
    let options = Options { processor_backlog: 0, ..Options::default() };
    assert_eq!(rejection(options), Some(ConfigError::ProcessorBacklogZero));
    for processors_per_channel in [0, 1, 2, usize::MAX] {
        assert_eq!(rejection(Options { processors_per_channel, ..Options::default() }), None);
    }
}

#[test]
fn what_is_split_is_not_merged() {
    let options = Options { rx_split: true, gro: true, ..Options::default() };
    assert_eq!(rejection(options), Some(ConfigError::SplitWithGro));
}

#[test]
fn every_rejection_names_its_option() {
    for (error, option) in [
        (ConfigError::NoQueues, "queues"),
        (ConfigError::TooManyQueues, "queues"),
        (ConfigError::MtuZero, "mtu"),
        (ConfigError::MtuAboveFrameLimit { mtu: 9, max: 8 }, "mtu"),
        (ConfigError::GroupAddress, "address"),
        (ConfigError::AddressWithoutEthernet, "address"),
        (ConfigError::GsoMaxSizeWithoutGso, "gso_max_size"),
        (ConfigError::RxBudgetZero, "rx_budget"),
        (ConfigError::ProcessorBacklogZero, "processor_backlog"),
        (ConfigError::SplitWithGro, "rx_split"),
        (ConfigError::QueuesOfSnapshot { saved: 2, given: 1 }, "queues"),
    ] {
        assert!(error.to_string().starts_with(&format!("{option}: ")), "{error}");
    }
}
