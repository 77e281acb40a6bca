use super::DemoArgs;
use super::carrier::{Carrier, LinkKind};
use super::lab::Lab;
use anyhow::{anyhow, bail};

/// What carries the frames, and why that.
pub(super) struct Choice {
    pub(super) kind: LinkKind,
    pub(super) carrier: Carrier,
    pub(super) why: String,
}

/// Opens what was asked for, or else the best that works here.
pub(super) fn choose(args: &DemoArgs, lab: &Lab) -> anyhow::Result<Choice> {
    let Some(kind) = args.fd else { return best(args, lab) };
    if args.serve && !kind.needs_namespace() {
        bail!("--serve: behind --fd {kind} there is no kernel that could reach the server; use tap, tun or veth");
    }
    if let (true, Lab::Refused(error)) = (kind.needs_namespace(), lab) {
        bail!("--fd {kind}: {error}");
    }
    let carrier = Carrier::open(kind, args.mode).map_err(|error| anyhow!("--fd {kind}: {error}"))?;
    Ok(Choice { kind, carrier, why: "as asked".to_owned() })
}

/// The first that works, in the order of preference. What stands against the ones before it is told.
fn best(args: &DemoArgs, lab: &Lab) -> anyhow::Result<Choice> {
    let mut against = Vec::new();
    if let Lab::Refused(error) = lab {
        against.push(error.to_string());
    }
    for kind in PREFERENCE.into_iter().filter(|kind| is_candidate(*kind, args, lab)) {
        match Carrier::open(kind, args.mode) {
            Ok(carrier) => return Ok(Choice { kind, carrier, why: why(kind, &against) }),
            Err(error) => against.push(format!("no {kind}: {error}")),
        }
    }
    bail!("nothing works here: {}", against.join("; "))
}

fn is_candidate(kind: LinkKind, args: &DemoArgs, lab: &Lab) -> bool {
    match lab {
        Lab::Refused(_) => !kind.needs_namespace() && !args.serve,
        Lab::Entered(_) | Lab::Unneeded => kind.needs_namespace() || !args.serve,
    }
}

fn why(kind: LinkKind, against: &[String]) -> String {
    if against.is_empty() { format!("the best there is: {}", kind.merit()) } else { against.join("; ") }
}

/// Real interfaces with the kernel behind them come first; TUN needs the same as TAP and shows less.
const PREFERENCE: [LinkKind; 4] = [LinkKind::Tap, LinkKind::Veth, LinkKind::Seqpacket, LinkKind::Mock];
