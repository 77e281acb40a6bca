use super::LabError;
use std::{fs, io};

/// One setting of the system which forbids namespaces, with its remedy.
struct Switch {
    path: &'static str,
    forbids: &'static str,
    advice: &'static str,
}

const SWITCHES: [Switch; 4] = [
    Switch {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        advice: "user namespaces are for root only here: run as root, or \
                 `sysctl -w kernel.unprivileged_userns_clone=1`",
    },
    Switch {
        path: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        advice: "user namespaces are switched off here: run as root, or \
                 `sysctl -w user.max_user_namespaces=10000`",
    },
    Switch {
        path: "/proc/sys/user/max_net_namespaces",
        forbids: "0",
        advice: "network namespaces are switched off here: \
                 `sysctl -w user.max_net_namespaces=10000`",
    },
    Switch {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        advice: "AppArmor takes the rights from user namespaces here: run as root, or \
                 `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
    },
];

const NO_SWITCH: &str = "no sysctl explains it, so a container's seccomp filter, a chroot or the \
                         kernel's build forbids user namespaces: run as root with CAP_SYS_ADMIN \
                         and CAP_NET_ADMIN (`docker run --privileged`), or, where only root \
                         without them is refused, as an ordinary user";

/// Finds the setting which made the system answer `source`.
pub(super) fn explain(source: io::Error) -> LabError {
    let advice = SWITCHES.iter().find(|switch| switch.is_set());
    LabError::Refused { source, advice: advice.map_or(NO_SWITCH, |switch| switch.advice) }
}

impl Switch {
    fn is_set(&self) -> bool {
        fs::read_to_string(self.path).is_ok_and(|value| value.trim() == self.forbids)
    }
}
