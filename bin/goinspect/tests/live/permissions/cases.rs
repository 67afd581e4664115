//! The rights that goinspect needs, one by one: how it runs without each, and with it.

/// A command that runs the one behind it with fewer rights, or in other namespaces.
pub type Wrapper = &'static [&'static str];

pub const ROOT: Wrapper = &[];
pub const ALICE: Wrapper = &["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
pub const BOB: Wrapper = &["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups"];
/// Root as most containers have it.
pub const BARE_ROOT: Wrapper = &["setpriv", "--bounding-set=-sys_ptrace"];

/// Root in a user namespace of an ordinary user.
pub const ROOTLESS: Wrapper = &[
    "setpriv",
    "--reuid=1000",
    "--regid=1000",
    "--clear-groups",
    "unshare",
    "--user",
    "--map-root-user",
];
/// Another user, with a `/proc` that does not show what belongs to others.
pub const INVISIBLE: Wrapper = &[
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount -t proc -o hidepid=2 proc /proc && \
     exec setpriv --reuid=1001 --regid=1001 --clear-groups \"$@\"",
    "-",
];

/// A right that is missing.
pub struct Case {
    /// The name of the trial.
    pub name: &'static str,
    /// The row of the table in docs/CONTAINERS.md: how its first column begins.
    pub row: &'static str,
    /// How the program runs.
    pub target: Wrapper,
    pub args: &'static [&'static str],
    /// How goinspect runs without the right, and with it.
    pub without: Wrapper,
    pub with: Wrapper,
}

pub const CASES: &[Case] = &[
    Case {
        name: "user",
        row: "the user",
        target: ALICE,
        args: &[],
        without: BOB,
        with: ALICE,
    },
    Case {
        name: "user_under_no_new_privs",
        row: "the user, under `no_new_privs`",
        target: ALICE,
        args: &[],
        without: &[
            "setpriv",
            "--reuid=1001",
            "--regid=1001",
            "--clear-groups",
            "--no-new-privs",
        ],
        with: ROOT,
    },
    Case {
        name: "capability_of_a_container's_root",
        row: "the user, as root of a container",
        target: ALICE,
        args: &[],
        without: BARE_ROOT,
        with: &["setpriv", "--bounding-set=-all,+sys_ptrace,+dac_override"],
    },
    Case {
        name: "group",
        row: "the group",
        target: &["setpriv", "--reuid=1000", "--regid=1001", "--clear-groups"],
        args: &[],
        without: ALICE,
        with: &["setpriv", "--reuid=1000", "--regid=1001", "--clear-groups"],
    },
    Case {
        name: "ambient_capabilities",
        row: "the program's own capabilities",
        target: &[
            "setpriv",
            "--reuid=1000",
            "--regid=1000",
            "--clear-groups",
            "--inh-caps=+net_bind_service",
            "--ambient-caps=+net_bind_service",
        ],
        args: &[],
        without: ALICE,
        with: ROOT,
    },
    Case {
        name: "dumpable",
        row: "dumpable",
        target: ALICE,
        args: &["-undumpable"],
        without: ALICE,
        with: ROOT,
    },
    Case {
        name: "dumpable_for_a_container's_root",
        row: "dumpable, as root of a container",
        target: BARE_ROOT,
        args: &["-undumpable"],
        without: BARE_ROOT,
        with: ROOT,
    },
    Case {
        name: "cap_dac_read_search",
        row: "CAP_DAC_READ_SEARCH",
        target: ALICE,
        args: &[],
        without: &["setpriv", "--bounding-set=-all,+sys_ptrace"],
        with: &[
            "setpriv",
            "--bounding-set=-all,+sys_ptrace,+dac_read_search",
        ],
    },
    Case {
        name: "user_namespace_from_within_another",
        row: "the user namespace, from within another",
        target: ALICE,
        args: &[],
        without: &["unshare", "--user", "--map-root-user"],
        with: ROOT,
    },
    Case {
        name: "user_namespace_from_the_host",
        row: "the user namespace, from the host",
        target: &["sh", "-c", PRIVATE_USERS, "-"],
        args: &[],
        without: ALICE,
        with: ROOT,
    },
    Case {
        name: "hidepid_noaccess",
        row: "`hidepid=noaccess`",
        target: ALICE,
        args: &[],
        without: &[
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t proc -o hidepid=1 proc /proc && \
             exec setpriv --reuid=1001 --regid=1001 --clear-groups \"$@\"",
            "-",
        ],
        with: &[
            "unshare",
            "--mount",
            "sh",
            "-c",
            "mount -t proc -o hidepid=1 proc /proc && exec \"$@\"",
            "-",
        ],
    },
];

/// As systemd does for `PrivateUsers=`: user 1000 in a user namespace that root has made.
const PRIVATE_USERS: &str = "\
    ours=$(readlink /proc/self/ns/user)
    (
        while [ \"$(readlink /proc/$$/ns/user)\" = \"$ours\" ]; do :; done
        echo 0 1000 1 >/proc/$$/uid_map
        echo 0 1000 1 >/proc/$$/gid_map
    ) </dev/null >/dev/null &
    exec unshare --user --keep-caps sh -c '
        until [ \"$(cat /proc/self/uid_map /proc/self/gid_map | wc -l)\" = 2 ]; do :; done
        exec setpriv --reuid=0 --regid=0 --clear-groups \"$@\"
    ' - \"$@\"";
