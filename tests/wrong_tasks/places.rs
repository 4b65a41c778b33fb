//! Files that are not there, not readable or not text, and files that task files name.

use std::fmt::Write;

use crate::sandbox::Sandbox;
use crate::tables::told;

const TASK: &str = "task_id: t\nimage: busybox\n";

#[test]
fn bytes_that_are_no_text() {
    let sandbox = Sandbox::new();
    let utf_16 = |text: &str, to: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(to)
            .collect()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("UTF-16, as Windows has it", utf_16(TASK, u16::to_le_bytes)),
        (
            "UTF-16, the other way round",
            utf_16(TASK, u16::to_be_bytes),
        ),
        ("Latin-1", b"task_id: t\nimage: b\xfcsybox\n".to_vec()),
        ("a NUL", b"task_id: t\nimage: busy\0box\n".to_vec()),
        ("only NULs", vec![0; 100]),
        (
            "a control character",
            b"task_id: t\nimage: busy\x07box\n".to_vec(),
        ),
        (
            "a program",
            // What every build of a program has the same: its magic, then an address.
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\xf0\x9f\x12\0".to_vec(),
        ),
        (
            "line ends of Windows",
            b"task_id: t\r\nimgae: busybox\r\n".to_vec(),
        ),
        (
            "line ends of long ago",
            b"task_id: t\rimgae: busybox\r".to_vec(),
        ),
        (
            "a mark of byte order and a fault",
            b"\xef\xbb\xbftask_id: t\nimgae: busybox\n".to_vec(),
        ),
        (
            "a mark of byte order in the middle",
            b"task_id: t\n\xef\xbb\xbfimage: busybox\n".to_vec(),
        ),
    ];
    let mut snapshot = String::new();
    for (name, bytes) in cases {
        let said = told(&sandbox, "dry-run", "task.yaml", bytes);
        writeln!(snapshot, "=== {name}\n{said}").unwrap();
    }
    insta::assert_snapshot!(snapshot);
}

#[test]
fn a_mark_of_byte_order_and_line_ends_of_windows_are_read() {
    let sandbox = Sandbox::new();
    let text = "\u{feff}task_id: t\r\nimage: busybox\r\narguments:\r\n- |\r\n  one\r\n  two\r\n";
    let pod = sandbox.with_input("dry-run -", text).good();
    assert!(pod.contains("image: busybox"), "{pod}");
    assert!(!pod.contains('\r'), "{pod:?}");
}

#[test]
fn files_that_cannot_be_read() {
    let sandbox = Sandbox::new();
    sandbox.file("template/pod.yaml", "kind: Pod\n");
    let mut snapshot = String::new();
    for place in [
        "missing.yaml",
        "template",
        "template/pod.yaml/task.yaml",
        "/proc/self/mem",
    ] {
        let done = sandbox.adjourn(&format!("dry-run {place}"));
        assert_eq!((done.code, done.out.as_str()), (2, ""), "{place}");
        writeln!(snapshot, "=== {place}\n{}", done.err.trim_end()).unwrap();
    }
    insta::assert_snapshot!(snapshot);
}

#[test]
fn pod_templates_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    sandbox.file("directory/x", "");
    sandbox.file("empty.yaml", "");
    sandbox.file("word.yaml", "hello\n");
    sandbox.file("broken.yaml", "kind: Pod\nspec: {containers: [\n");
    sandbox.file("two.yaml", "kind: Pod\n---\nkind: Pod\n");
    sandbox.file(
        "member.yaml",
        "kind: Pod\nspec:\n  containers:\n  - name: base\n    imgae: busybox\n",
    );
    sandbox.file(
        "kind.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {}\n",
    );
    sandbox.file(
        "large.yaml",
        &format!("kind: Pod\n# {}\n", "x".repeat(5 << 20)),
    );
    let mut snapshot = String::new();
    for place in [
        "missing.yaml",
        "directory",
        "empty.yaml",
        "word.yaml",
        "broken.yaml",
        "two.yaml",
        "member.yaml",
        "kind.yaml",
        "large.yaml",
        // It names itself: the text is read once, and is no pod.
        "task.yaml",
        "{{ params.file }}",
        "/dev/zero",
    ] {
        let text = format!("{TASK}pod_template_file: '{place}'\n");
        let said = told(&sandbox, "dry-run", "task.yaml", text);
        writeln!(snapshot, "=== {place}\n{said}").unwrap();
    }
    insta::assert_snapshot!(snapshot);
}

#[test]
fn clusters_that_are_named_wrongly() {
    let sandbox = Sandbox::new();
    let mut snapshot = String::new();
    for (name, settings) in [
        (
            "a context that is none",
            "cluster_context = 'none'\nkube_config = '{\"clusters\": []}'",
        ),
        (
            "a file that is none",
            "kube_config_path = '/nowhere/kubeconfig'",
        ),
        ("two sources", "in_cluster = true\nkube_config_path = '/k'"),
        ("a key that is none", "kube_config_pth = '/k'"),
        ("a source of the wrong type", "kube_config_path = 7"),
        ("a kubeconfig that is none", "kube_config = '{'"),
        ("no time at all", "request_timeout_seconds = -1"),
        (
            "a sidecar that cannot be",
            "xcom_sidecar_container_resources = 'lots'",
        ),
    ] {
        let settings = format!("[connections.kubernetes_default]\n{settings}\n");
        sandbox.file("config/adjourn/adjourn.toml", &settings);
        let done = sandbox.with_input("run -", &format!("{TASK}do_xcom_push: true\n"));
        writeln!(
            snapshot,
            "=== {name}: exit {}\n{}",
            done.code,
            done.err.trim_end()
        )
        .unwrap();
    }
    insta::assert_snapshot!(snapshot.replace(sandbox.path("").to_str().unwrap(), "<home>/"));
}
