use super::facts::{CAP_SYS_PTRACE, Facts, confining};
use super::*;
use crate::proc::Status;

/// User 1000 wants to trace a process of user 1000, and nothing forbids it.
fn facts() -> Facts {
    let user = Status {
        uids: [1000; 4],
        gids: [100; 4],
        cap_bounding: u64::MAX,
        ..Status::default()
    };
    Facts {
        ours: user.clone(),
        theirs: user,
        owner: 1000,
        scope: None,
        same_user_namespace: true,
        first_user_namespace: true,
        first_pid_namespace: true,
        label: String::new(),
        refused: Refused::File,
        filtered: false,
    }
}

/// The rule for `facts()` with a change.
fn with(change: impl FnOnce(&mut Facts)) -> Rule {
    let mut facts = facts();
    change(&mut facts);
    facts.rule()
}

/// The same for root with all capabilities.
fn root_with(change: impl FnOnce(&mut Facts)) -> Rule {
    with(|f| {
        f.ours.uids = [0; 4];
        f.ours.gids = [0; 4];
        f.ours.cap_permitted = u64::MAX;
        f.ours.cap_effective = u64::MAX;
        change(f);
    })
}

#[test]
fn each_rule_is_named() {
    assert_eq!(with(|_| {}), Rule::Unknown);
    let (ours, theirs) = (1000, 0);
    assert_eq!(
        with(|f| f.theirs.uids = [0; 4]),
        Rule::OtherUser { ours, theirs }
    );
    // A set-user-ID program, of whomever.
    for uids in [[1000, 0, 0, 0], [7, 1000, 1000, 1000]] {
        assert_eq!(with(|f| f.theirs.uids = uids), Rule::NotDumpable);
    }
    let (ours, theirs) = (100, 7);
    assert_eq!(
        with(|f| f.theirs.gids = [7; 4]),
        Rule::OtherGroup { ours, theirs }
    );
    // A capability on the executable makes a process not dumpable, too: it is the cause.
    let setcap = with(|f| {
        f.theirs.cap_permitted = 0x400;
        f.owner = 0;
    });
    assert_eq!(setcap, Rule::MoreCapabilities { extra: 0x400 });
    assert_eq!(with(|f| f.owner = 0), Rule::NotDumpable);
    for scope in 1..=3 {
        assert_eq!(
            with(|f| f.scope = Some(scope)),
            Rule::PtraceScope { scope },
            "{scope}"
        );
    }
    assert_eq!(with(|f| f.scope = Some(0)), Rule::Unknown);
    assert_eq!(
        with(|f| f.same_user_namespace = false),
        Rule::OtherUserNamespace { outside: true }
    );
}

#[test]
fn the_capability_lifts_most() {
    let other = |f: &mut Facts| {
        f.theirs.uids = [7, 8, 9, 10];
        f.theirs.gids = [7; 4];
        f.theirs.cap_permitted = 0x400;
        f.scope = Some(2);
    };
    assert_eq!(root_with(other), Rule::Unknown);
    assert_eq!(root_with(|f| f.same_user_namespace = false), Rule::Unknown);
    assert_eq!(
        root_with(|f| {
            f.same_user_namespace = false;
            f.first_user_namespace = false;
        }),
        Rule::OtherUserNamespace { outside: false }
    );
    assert_eq!(
        root_with(|f| f.scope = Some(3)),
        Rule::PtraceScope { scope: 3 }
    );
    let alone = |refused| {
        root_with(|f| {
            f.ours.cap_effective = CAP_SYS_PTRACE;
            f.refused = refused;
        })
    };
    let owner = 1000;
    assert_eq!(alone(Refused::File), Rule::NoReadCapability { owner });
    assert_eq!(alone(Refused::Ptrace), Rule::Unknown);
}

/// Users from outside a user namespace have no numbers in it (all are 65534).
#[test]
fn from_inside_a_user_namespace_the_namespace_is_the_reason() {
    let rule = with(|f| {
        f.theirs.uids = [65534; 4];
        f.same_user_namespace = false;
        f.first_user_namespace = false;
    });
    assert_eq!(rule, Rule::OtherUserNamespace { outside: false });
}

#[test]
fn root_without_capabilities() {
    let bare = |change: fn(&mut Facts)| {
        root_with(|f| {
            f.ours.cap_permitted = 0;
            f.ours.cap_effective = 0;
            f.theirs.uids = [0; 4];
            f.theirs.gids = [0; 4];
            f.owner = 0;
            change(f);
        })
    };
    assert_eq!(bare(|_| {}), Rule::NoCapability);
    assert_eq!(bare(|f| f.scope = Some(1)), Rule::PtraceScope { scope: 1 });
    let (ours, theirs) = (0, 1000);
    assert_eq!(
        bare(|f| f.theirs.uids = [1000; 4]),
        Rule::OtherUser { ours, theirs }
    );
}

/// Only what ptrace itself refuses can be due to a filter or to another tracer.
#[test]
fn what_only_ptrace_refuses() {
    let filtered = with(|f| {
        f.refused = Refused::Ptrace;
        f.filtered = true;
        f.scope = Some(1);
    });
    assert_eq!(filtered, Rule::Seccomp);
    let inside = |refused| {
        with(|f| {
            f.refused = refused;
            f.first_pid_namespace = false;
        })
    };
    assert_eq!(inside(Refused::Ptrace), Rule::HiddenTracer);
    assert_eq!(inside(Refused::File), Rule::Unknown);
}

#[test]
fn labels_of_security_modules() {
    for free in [
        "",
        "unconfined",
        "kernel",
        "docker-default (complain)",
        "unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023",
    ] {
        assert_eq!(confining(free), None, "{free}");
    }
    let apparmor = "docker-default (enforce)";
    assert_eq!(confining(apparmor), Some(Module::AppArmor));
    let nested = ":lxd-web_<var-lib-lxd>:unconfined//&docker-default (enforce)";
    assert_eq!(confining(nested), Some(Module::AppArmor));
    let selinux = "system_u:system_r:container_t:s0:c12,c34";
    assert_eq!(confining(selinux), Some(Module::SeLinux));
    let rule = root_with(|f| f.label = apparmor.to_owned());
    assert!(matches!(
        rule,
        Rule::Confined {
            module: Module::AppArmor,
            ..
        }
    ));
    // A rule that is known goes before one that is guessed at.
    let rule = with(|f| {
        f.label = apparmor.to_owned();
        f.owner = 0;
    });
    assert_eq!(rule, Rule::NotDumpable);
}

#[test]
fn how_the_capability_can_be_had() {
    let own = facts().ours;
    assert_eq!(Privilege::of(&own), Privilege::Sudo);
    let mut nnp = own.clone();
    nnp.no_new_privs = true;
    assert_eq!(Privilege::of(&nnp), Privilege::NoNewPrivileges);
    let mut container = nnp;
    container.cap_bounding = !CAP_SYS_PTRACE;
    assert_eq!(Privilege::of(&container), Privilege::Withheld);
    let mut root = own;
    root.uids = [0; 4];
    assert_eq!(Privilege::of(&root), Privilege::Withheld);
}

/// What there is to do names what is missing, and not what isn't.
#[test]
fn hints_name_what_is_missing_and_nothing_else() {
    const WORDS: [&str; 10] = [
        "sudo)",
        "SYS_PTRACE",
        "no_new_privs",
        "ptrace_scope",
        "as user",
        "DAC_READ_SEARCH",
        "seccomp",
        "apparmor",
        "label=",
        "TracerPid",
    ];
    use Privilege::{NoNewPrivileges, Sudo, Withheld};
    let user = Rule::OtherUser {
        ours: 1000,
        theirs: 0,
    };
    let scope = |scope| Rule::PtraceScope { scope };
    let confined = |module| Rule::Confined {
        module,
        label: String::new(),
    };
    for (rule, privilege, words) in [
        (user.clone(), Sudo, &["sudo)", "as user"][..]),
        (user.clone(), Withheld, &["SYS_PTRACE", "as user"]),
        (user, NoNewPrivileges, &["no_new_privs", "as user"]),
        (Rule::NotDumpable, Sudo, &["sudo)"]),
        (
            Rule::MoreCapabilities { extra: 1 },
            Withheld,
            &["SYS_PTRACE"],
        ),
        (Rule::NoCapability, Withheld, &["SYS_PTRACE"]),
        (Rule::HidePid, NoNewPrivileges, &["no_new_privs"]),
        (scope(1), Sudo, &["sudo)", "ptrace_scope"]),
        (scope(1), Withheld, &["SYS_PTRACE", "ptrace_scope"]),
        (scope(2), Sudo, &["sudo)"]),
        (scope(3), Sudo, &["ptrace_scope"]),
        (Rule::OtherUserNamespace { outside: true }, Sudo, &["sudo)"]),
        (Rule::OtherUserNamespace { outside: false }, Withheld, &[]),
        (
            Rule::NoReadCapability { owner: 7 },
            Withheld,
            &["as user", "DAC_READ_SEARCH"],
        ),
        (Rule::Seccomp, Withheld, &["seccomp"]),
        (Rule::HiddenTracer, Withheld, &["TracerPid"]),
        (confined(Module::AppArmor), Withheld, &["apparmor"]),
        (confined(Module::SeLinux), Withheld, &["label="]),
        (Rule::Unknown, Withheld, &[]),
    ] {
        let denied = Denied { rule, privilege };
        let hint = denied.hint();
        let named: Vec<&str> = WORDS.into_iter().filter(|w| hint.contains(w)).collect();
        assert_eq!(named, words, "{denied:?}: {hint}");
        assert!(!hint.contains('\n') && !denied.to_string().contains('\n'));
    }
}

/// docs/CONTAINERS.md has a table of all that is said; the tests of goinspect hold programs against it.
#[test]
fn the_table_in_the_documentation_is_what_is_said() {
    use Privilege::{NoNewPrivileges, Sudo, Withheld};
    let user = |ours| Rule::OtherUser { ours, theirs: 1000 };
    let scope = |scope| Rule::PtraceScope { scope };
    let confined = |module, label: &str| Rule::Confined {
        module,
        label: label.to_owned(),
    };
    let (ours, theirs) = (1000, 1001);
    let said: Vec<String> = [
        (user(1001), Sudo),
        (user(1001), NoNewPrivileges),
        (user(0), Withheld),
        (Rule::OtherGroup { ours, theirs }, Sudo),
        (Rule::MoreCapabilities { extra: 0x400 }, Sudo),
        (Rule::NotDumpable, Sudo),
        (Rule::NoCapability, Withheld),
        (Rule::NoReadCapability { owner: 1000 }, Withheld),
        (scope(1), Sudo),
        (scope(2), Sudo),
        (scope(3), Sudo),
        (Rule::OtherUserNamespace { outside: false }, Sudo),
        (Rule::OtherUserNamespace { outside: true }, Sudo),
        (Rule::Seccomp, Sudo),
        (Rule::HidePid, Sudo),
        (Rule::HiddenTracer, Sudo),
        (confined(Module::AppArmor, "docker-default (enforce)"), Sudo),
        (
            confined(Module::SeLinux, "system_u:system_r:container_t:s0:c1,c2"),
            Sudo,
        ),
        (Rule::Unknown, Sudo),
    ]
    .into_iter()
    .map(|(rule, privilege)| {
        let denied = Denied { rule, privilege };
        format!("{denied} | {} |", denied.hint())
    })
    .collect();
    let documented = include_str!("../../../../docs/CONTAINERS.md")
        .split_once("\n| what is missing |")
        .map(|(_, table)| table.lines().skip(2))
        .into_iter()
        .flatten()
        .map_while(|line| Some(line.strip_prefix("| ")?.split_once(" | ")?.1.to_owned()));
    assert_eq!(documented.collect::<Vec<_>>(), said);
}
