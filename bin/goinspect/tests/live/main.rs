//! goinspect against real Go programs, for each Go version of the run. What a test expects
//! comes from the program itself (its own `runtime.Stack` text, its own counters) or
//! from the system, never from goinspect.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a failed test may panic; some say how much they compared"
)]

mod builds;
mod c_frames;
mod churn;
mod core;
mod damaged;
mod debug_file;
mod diff;
mod errors;
mod fickle;
mod findings;
mod hostile;
mod kept;
mod killed;
mod modules;
mod namespaces;
mod permissions;
mod pprof;
mod process;
mod record;
mod run;
mod safety;
mod scarce;
mod scheduler;
mod terminal;
mod touchy;
mod traceback;
mod waits;
mod zoo;

use std::process::ExitCode;

use builds::Mode;

use fixtures::build::C_FOR_ARM64;
use fixtures::crash::{ARM64, CORE_FILES};
use fixtures::{Requirement, Trials};

const STRACE: &[Requirement] = &[Requirement::Program("strace")];
const DEBUGGERS: &[Requirement] = &[Requirement::Program("strace"), Requirement::Program("gdb")];
const MEMORY_LIMITS: &[Requirement] = &[Requirement::Kernel(fickle::no_memory_controller)];
const PRLIMIT: &[Requirement] = &[Requirement::Program("prlimit")];
const C_COMPILER: &[Requirement] = &[Requirement::Program("cc")];
const CORE_FILES_AND_C: &[Requirement] = &[CORE_FILES, Requirement::Program("cc")];
const MUSL: &[Requirement] = &[Requirement::Program("musl-gcc")];
const GCORE: &[Requirement] = &[Requirement::Program("gcore")];
const GCORE_AND_C: &[Requirement] = &[Requirement::Program("gcore"), Requirement::Program("cc")];
const OBJCOPY: &[Requirement] = &[Requirement::Program("objcopy")];
const STRIP: &[Requirement] = &[Requirement::Program("strip")];
const TMUX: &[Requirement] = &[Requirement::Program("tmux")];
const NOT_ROOT: Requirement = Requirement::Check(process::not_root);
const NO_NAMESPACES: Requirement = Requirement::Check(namespaces::no_namespaces);
const PIVOT_ROOT: Requirement = Requirement::Program("pivot_root");
const NAMESPACES: &[Requirement] = &[NOT_ROOT, NO_NAMESPACES, PIVOT_ROOT];
const RIGHTS: &[Requirement] = &[NOT_ROOT, NO_NAMESPACES, Requirement::Program("setpriv")];
const ROOTLESS: &[Requirement] = &[
    NOT_ROOT,
    Requirement::Program("setpriv"),
    Requirement::Check(permissions::no_rootless_containers),
];
const YAMA: &[Requirement] = &[
    NOT_ROOT,
    Requirement::Program("setpriv"),
    Requirement::Kernel(permissions::no_yama),
];
const NAMESPACES_AND_STRACE: &[Requirement] = &[
    NOT_ROOT,
    NO_NAMESPACES,
    PIVOT_ROOT,
    Requirement::Program("strace"),
];
const NAMESPACES_AND_OBJCOPY: &[Requirement] = &[
    NOT_ROOT,
    NO_NAMESPACES,
    PIVOT_ROOT,
    Requirement::Program("objcopy"),
];

/// `strip` comes with the C compiler, too.
const CORE_FILES_AND_STRIP: &[Requirement] = &[CORE_FILES, Requirement::Program("strip")];
/// What every Go version is tried with.
const BUILDS: &[(Mode, &str, &[Requirement])] = &[
    (Mode::Exe, "exe", CORE_FILES_AND_STRIP),
    (Mode::Pie, "pie", CORE_FILES_AND_STRIP),
    (Mode::External, "external", CORE_FILES_AND_C),
    (Mode::Static, "static", CORE_FILES_AND_C),
];
/// What the newest is tried with beyond that.
const MORE_BUILDS: &[(Mode, &str, &[Requirement])] = &[
    (Mode::StaticPie, "static_pie", CORE_FILES_AND_C),
    (Mode::Race, "race", CORE_FILES_AND_C),
    (Mode::Unoptimised, "unoptimised", CORE_FILES_AND_STRIP),
    (Mode::Trimmed, "trimmed", CORE_FILES_AND_STRIP),
    (Mode::Musl, "musl", CORE_FILES_AND_MUSL),
    (Mode::StaticMusl, "static_musl", CORE_FILES_AND_MUSL),
];
const CORE_FILES_AND_MUSL: &[Requirement] = &[CORE_FILES, Requirement::Program("musl-gcc")];

fn main() -> ExitCode {
    let mut trials = Trials::new();
    trials.for_each_go("zoo::equals_the_program's_own_stacks", &[], zoo::plain);
    trials.for_each_go(
        "zoo::equals_them_as_pie_with_c",
        C_COMPILER,
        zoo::position_independent_with_c,
    );
    trials.for_each_go("zoo::equals_them_across_c", C_COMPILER, zoo::across_c);
    trials.for_each_go(
        "zoo::equals_them_when_its_file_was_replaced",
        &[],
        zoo::replaced_executable,
    );
    trials.for_each_go(
        "traceback::equals_the_runtime's_text",
        &[],
        traceback::equals_the_runtimes_text,
    );
    trials.for_each_go(
        "traceback::equals_it_with_ancestors",
        &[],
        traceback::equals_it_with_ancestors,
    );
    trials.for_each_go(
        "core::equals_the_runtime's_text_from_gcore",
        GCORE,
        traceback::equals_it_in_a_core,
    );
    trials.for_each_go("core::zoo_is_its_crash_text", &[CORE_FILES], core::zoo);
    trials.for_each_go("core::across_c", CORE_FILES_AND_C, core::zoo_across_c);
    trials.for_each_go(
        "core::killed_from_outside",
        CORE_FILES_AND_C,
        core::zoo_killed,
    );
    trials.for_each_go("core::arm64", &[ARM64], core::arm64);
    trials.for_each_go("core::arm64_stripped", &[ARM64], core::arm64_stripped);
    trials.for_each_go(
        "core::arm64_across_c",
        &[ARM64, C_FOR_ARM64],
        core::arm64_across_c,
    );
    trials.for_each_go(
        "c_frames::equal_backtrace",
        C_COMPILER,
        c_frames::equal_backtrace,
    );
    trials.for_each_go("c_frames::in_pie", C_COMPILER, c_frames::in_pie);
    trials.for_each_go("c_frames::in_static", C_COMPILER, c_frames::in_static);
    trials.for_each_go("c_frames::in_stripped", C_COMPILER, c_frames::in_stripped);
    trials.for_each_go(
        "c_frames::without_tables",
        C_COMPILER,
        c_frames::without_tables,
    );
    trials.for_each_go("c_frames::with_musl", MUSL, c_frames::with_musl);
    trials.for_each_go(
        "c_frames::from_deleted_library",
        C_COMPILER,
        c_frames::from_deleted_library,
    );
    trials.for_each_go("c_frames::in_core", CORE_FILES_AND_C, c_frames::in_core);
    trials.for_each_go("c_frames::in_gcore", GCORE_AND_C, c_frames::in_gcore);
    trials.for_each_go(
        "c_frames::on_arm64",
        &[ARM64, C_FOR_ARM64],
        c_frames::on_arm64,
    );
    trials.for_each_go("c_frames::in_vdso", &[], c_frames::in_vdso);
    trials.for_each_go("findings::of_bugs", &[], findings::of_bugs);
    trials.for_newest_go(
        "findings::of_stripped_bugs",
        &[],
        findings::of_stripped_bugs,
    );
    trials.for_newest_go("findings::why", &[], findings::why);
    trials.for_newest_go("findings::manual", &[], findings::manual);
    trials.for_each_go("waits::equal_the_program's_facts", &[], waits::plain);
    trials.for_each_go("waits::equal_them_stripped", STRIP, waits::stripped);
    trials.for_each_go("waits::equal_them_across_c", C_COMPILER, waits::across_c);
    trials.for_each_go("waits::equal_them_in_gcore", GCORE, waits::in_gcore);
    trials.for_each_go("waits::equal_them_in_crash", &[CORE_FILES], waits::in_crash);
    trials.for_each_go(
        "waits::equal_them_on_arm64",
        &[ARM64],
        waits::in_crash_on_arm64,
    );
    trials.for_each_go("scheduler::queues", &[], scheduler::queues);
    trials.for_each_go(
        "scheduler::queues_stripped",
        STRIP,
        scheduler::queues_stripped,
    );
    trials.for_newest_go(
        "scheduler::queues_in_gcore",
        GCORE,
        scheduler::queues_in_gcore,
    );
    trials.for_each_go("diff::what_stands_still", &[], diff::what_stands_still);
    trials.for_each_go(
        "diff::crash_text_and_core",
        &[CORE_FILES],
        diff::crash_text_and_core,
    );
    trials.for_each_go("core::another_build", &[CORE_FILES], core::another_build);
    trials.for_newest_go(
        "core::executable_not_checked",
        &[ARM64],
        core::executable_not_checked,
    );
    trials.for_newest_go("core::cut_short", &[CORE_FILES], damaged::cut_short);
    trials.for_newest_go("core::corrupted", &[CORE_FILES], damaged::corrupted);
    trials.for_each_go(
        "debug_file::found_by_link",
        OBJCOPY,
        debug_file::found_by_link,
    );
    trials.for_each_go("debug_file::named", OBJCOPY, debug_file::named);
    for (mode, name, needs) in BUILDS {
        let name = |kind| format!("builds::{name}{kind}");
        trials.for_each_go(&name(""), needs, |go| builds::whole(go, *mode));
        trials.for_each_go(&name("_stripped"), needs, |go| builds::stripped(go, *mode));
    }
    trials.for_newest_go(
        "builds::newer_than_the_tables",
        &[],
        builds::newer_than_the_tables,
    );
    trials.for_newest_go("builds::without_sections", &[], builds::without_sections);
    trials.for_each_go(
        "builds::without_build_information",
        OBJCOPY,
        builds::without_build_information,
    );
    for (mode, name, needs) in MORE_BUILDS {
        let name = |kind| format!("builds::{name}{kind}");
        trials.for_newest_go(&name(""), needs, |go| builds::whole(go, *mode));
        trials.for_newest_go(&name("_stripped"), needs, |go| builds::stripped(go, *mode));
    }
    trials.for_newest_go("modules::library_in_c", C_COMPILER, modules::library_in_c);
    trials.for_newest_go(
        "modules::library_in_c_from_gcore",
        GCORE_AND_C,
        modules::library_in_c_from_gcore,
    );
    trials.for_newest_go("modules::archive_in_c", C_COMPILER, modules::archive_in_c);
    trials.for_newest_go("modules::two_runtimes", C_COMPILER, modules::two_runtimes);
    trials.for_newest_go("modules::plugin", C_COMPILER, modules::plugin);
    trials.for_each_go("zoo::facts_agree", &[], zoo::facts_agree);
    trials.for_each_go(
        "zoo::json_keeps_the_schema",
        &[],
        zoo::json_keeps_the_schema,
    );
    trials.for_each_go(
        "pprof::equals_the_program's_own",
        &[],
        pprof::equals_the_programs_own,
    );
    trials.for_each_go(
        "pprof::equals_it_from_a_saved_snapshot",
        &[],
        pprof::equals_it_from_a_saved_snapshot,
    );
    trials.for_each_go(
        "pprof::equals_it_in_a_core",
        GCORE,
        pprof::equals_it_in_a_core,
    );
    trials.for_each_go(
        "pprof::every_goroutine_by_its_id",
        &[],
        pprof::every_goroutine_by_its_id,
    );
    trials.for_each_go(
        "pprof::folded_equals_the_program's_own",
        &[],
        pprof::folded_equals_the_programs_own,
    );
    trials.for_newest_go("pprof::all_means_all", &[], pprof::all_means_all);
    trials.once("pprof::refused", &[], pprof::refused);
    trials.for_each_go("ps::lists_the_program", &[], zoo::ps_lists_it);
    trials.for_newest_go(
        "churn::a_thousand_snapshots",
        &[],
        churn::a_thousand_snapshots,
    );
    trials.for_each_go("kept::only_stacks_of_now", &[], kept::only_stacks_of_now);
    trials.for_each_go(
        "kept::only_what_is_marked_is_torn",
        &[],
        kept::only_what_is_marked_is_torn,
    );
    trials.for_each_go("kept::within_max_pause", &[], kept::within_max_pause);
    trials.for_each_go(
        "churn::three_hundred_snapshots",
        &[],
        churn::three_hundred_snapshots,
    );
    trials.for_each_go(
        "safety::only_allowed_requests",
        STRACE,
        safety::only_allowed_requests,
    );
    trials.for_each_go(
        "safety::no_request_at_all",
        STRACE,
        safety::no_request_at_all,
    );
    trials.for_each_go(
        "safety::kill_9_in_the_middle_of_a_stop",
        &[],
        safety::killed_in_a_stop,
    );
    trials.for_newest_go("killed::at_any_moment", &[], killed::at_any_moment);
    trials.for_newest_go(
        "killed::only_allowed_requests",
        STRACE,
        killed::only_allowed_requests,
    );
    trials.for_newest_go("touchy::nothing_is_lost", &[], touchy::nothing_is_lost);
    trials.for_newest_go("touchy::system_calls", C_COMPILER, touchy::system_calls);
    trials.for_newest_go("fickle::ends", &[], fickle::ends);
    trials.for_newest_go("fickle::replaces_itself", &[], fickle::replaces_itself);
    trials.for_newest_go(
        "fickle::becomes_somebody_else",
        &[NOT_ROOT],
        fickle::becomes_somebody_else,
    );
    trials.for_newest_go(
        "fickle::is_killed_for_want_of_memory",
        MEMORY_LIMITS,
        fickle::is_killed_for_want_of_memory,
    );
    trials.for_newest_go(
        "fickle::comes_under_a_debugger",
        DEBUGGERS,
        fickle::comes_under_a_debugger,
    );
    trials.for_newest_go("scarce::disk_full", &[], scarce::disk_full);
    trials.for_newest_go("scarce::no_memory", PRLIMIT, scarce::no_memory);
    trials.for_each_go(
        "hostile::counted_as_waiting",
        &[],
        hostile::counted_as_waiting,
    );
    trials.for_each_go("hostile::mutated_memory", &[], hostile::mutated_memory);
    trials.for_each_go(
        "hostile::mutated_memory_with_c",
        C_COMPILER,
        hostile::mutated_memory_with_c,
    );
    trials.for_each_go("errors::version_too_old", &[], errors::version_too_old);
    trials.for_each_go(
        "errors::foreign_executable",
        &[],
        errors::foreign_executable,
    );
    trials.for_newest_go("errors::thirty_two_bit", &[], errors::thirty_two_bit);
    trials.for_each_go(
        "errors::traced_by_another",
        STRACE,
        errors::traced_by_another,
    );
    trials.for_each_go(
        "namespaces::seen_from_the_host",
        NAMESPACES,
        namespaces::seen_from_the_host,
    );
    trials.for_newest_go(
        "namespaces::threads_have_the_ids_of_where_goinspect_runs",
        NAMESPACES,
        namespaces::threads_have_the_ids_of_where_goinspect_runs,
    );
    trials.for_newest_go(
        "namespaces::seen_from_its_pid_namespace",
        NAMESPACES,
        namespaces::seen_from_its_pid_namespace,
    );
    trials.for_newest_go(
        "namespaces::seen_from_between",
        NAMESPACES,
        namespaces::seen_from_between,
    );
    trials.for_newest_go(
        "namespaces::proc_of_another_namespace",
        NAMESPACES,
        namespaces::proc_of_another_namespace,
    );
    trials.for_newest_go(
        "namespaces::debug_file_in_the_container",
        NAMESPACES_AND_OBJCOPY,
        namespaces::debug_file_in_the_container,
    );
    trials.for_newest_go(
        "namespaces::traced_from_outside",
        NAMESPACES_AND_STRACE,
        namespaces::traced_from_outside,
    );
    for case in permissions::CASES {
        let name = format!("permissions::{}", case.name);
        trials.for_newest_go(&name, RIGHTS, |go| permissions::missing(go, case));
    }
    trials.for_newest_go(
        "permissions::rootless_container",
        ROOTLESS,
        permissions::rootless_container,
    );
    trials.for_newest_go("permissions::yama", YAMA, permissions::yama);
    trials.for_newest_go("permissions::seccomp", RIGHTS, permissions::seccomp);
    trials.for_newest_go(
        "permissions::without_process_vm_readv",
        &[],
        permissions::without_process_vm_readv,
    );
    trials.for_newest_go("permissions::hidden", RIGHTS, permissions::hidden);
    trials.for_newest_go(
        "permissions::unreadable_executable",
        RIGHTS,
        permissions::unreadable_executable,
    );
    trials.for_newest_go(
        "ps::tells_what_it_leaves_out",
        RIGHTS,
        permissions::ps_tells_what_it_leaves_out,
    );
    trials.for_each_go(
        "terminal::attach_shows_finds_and_leaves",
        TMUX,
        terminal::shows_finds_and_leaves,
    );
    trials.for_each_go(
        "terminal::finds_the_leak_and_the_deadlock",
        TMUX,
        terminal::finds_the_leak_and_the_deadlock,
    );
    trials.for_newest_go(
        "terminal::is_suspended_and_resumed",
        &[Requirement::Program("tmux"), Requirement::Program("bash")],
        terminal::is_suspended_and_resumed,
    );
    trials.for_newest_go(
        "terminal::shows_a_core",
        &[CORE_FILES, Requirement::Program("tmux")],
        terminal::shows_a_core,
    );
    trials.once(
        "terminal::refuses_a_profile",
        TMUX,
        terminal::refuses_a_profile,
    );
    trials.for_newest_go(
        "terminal::replays_a_recording",
        TMUX,
        terminal::replays_a_recording,
    );
    trials.for_each_go(
        "record::equals_what_was_taken",
        &[],
        record::equals_what_was_taken,
    );
    trials.for_each_go("record::is_a_target", &[], record::is_a_target);
    trials.for_each_go("record::ends", &[], record::ends);
    trials.for_each_go("terminal::target_ends", TMUX, terminal::target_ends);
    trials.once("errors::no_such_process", &[], errors::no_such_process);
    trials.once("errors::not_a_go_program", &[], errors::not_a_go_program);
    trials.once("errors::zombie", &[], errors::zombie);
    trials.once(
        "errors::kernel_thread",
        &[Requirement::Check(process::no_kernel_thread)],
        errors::kernel_thread,
    );
    trials.once("errors::command_line", &[], errors::command_line);
    trials.run()
}
