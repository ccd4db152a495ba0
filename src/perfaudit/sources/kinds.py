"""What a file is, by its name and folders; where those do not tell, by its first bytes."""

import re

FOLDER_MARK = "/"
SUFFIX_KINDS = {
    "py": "python",
    "pyw": "python",
    "sql": "sql",
    "html": "template",
    "htm": "template",
    "jinja": "template",
    "jinja2": "template",
    "j2": "template",
    "djhtml": "template",
    "ini": "settings",
    "cfg": "settings",
    "env": "settings",
}
NAME_KINDS = (
    (re.compile(r"(docker-)?compose([.-].+)?\.ya?ml"), "compose"),
    (re.compile(r"(docker|container)file([.-].+)?|.+\.(docker|container)file"), "dockerfile"),
    (re.compile(r"procfile([.-].+)?"), "procfile"),
    (re.compile(r"pyproject\.toml|\.env.*"), "settings"),
    (re.compile(r"(.*[-_.])?requirements([-_.].*)?\.(txt|in)|constraints.*\.txt|pipfile"),
     "requirements"),
    (re.compile(r"chart\.ya?ml"), "helm"),
)  # fmt: skip
SCRIPT_FOLDERS = frozenset({"static", "assets", "public", "staticfiles", "js"})
SCRIPT_FILE = re.compile(r"(?!.*\.min\.js$)(?!.*\.d\.ts$).+\.(js|ts)")
HELM_FOLDERS = frozenset({"helm", "chart", "charts"})
MANIFEST_FOLDERS = HELM_FOLDERS | {
    "k8s",
    "kubernetes",
    "kube",
    "deploy",
    "deployment",
    "deployments",
    "manifests",
    "kustomize",
}
MANIFEST = re.compile(rb"^kind:[ \t]*[\"']?[A-Za-z{]", re.MULTILINE)
PYTHON_SHEBANG = re.compile(rb"#![^\n]*\bpython[0-9.]*\b")
PROBE_BYTES = 65_536


def kind_of(path: str) -> str | None:
    """Return the kind of the file at this relative path, or None where nothing says to read it.

    A YAML file in a folder of manifests is "manifest?": only its content can tell.
    """
    folders, _, name = path.rpartition(FOLDER_MARK)
    suffix = name.rpartition(".")[2] if "." in name else ""
    if suffix == "py":
        return "python"
    lowered = name.lower()
    for pattern, kind in NAME_KINDS:
        if pattern.fullmatch(lowered):
            return kind
    if suffix.lower() in SUFFIX_KINDS:
        return SUFFIX_KINDS[suffix.lower()]
    return _kind_by_folder(frozenset(folders.lower().split(FOLDER_MARK)), lowered)


def _kind_by_folder(folders: frozenset[str], name: str) -> str | None:
    if "requirements" in folders and name.endswith((".txt", ".in")):
        return "requirements"
    if folders & SCRIPT_FOLDERS and SCRIPT_FILE.fullmatch(name):
        return "script"
    if folders & MANIFEST_FOLDERS and name.endswith((".yaml", ".yml")):
        return "manifest?"
    return None


def kind_by_content(path: str, data: bytes) -> str | None:
    """Return the kind of a file whose name did not tell, from its first bytes."""
    name = path.rpartition(FOLDER_MARK)[2].lower()
    if "." not in name and PYTHON_SHEBANG.match(data):
        return "python"
    if name.endswith((".yaml", ".yml")) and MANIFEST.search(data):
        folders = path.lower().split(FOLDER_MARK)[:-1]
        return "helm" if HELM_FOLDERS.intersection(folders) else "kubernetes"
    if SCRIPT_FILE.fullmatch(name):
        return "script"
    return None
