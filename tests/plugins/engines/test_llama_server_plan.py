from pathlib import Path

import pytest

from tests.plugins.engines.asking import SECRET, spec_of
from tradewind.core.errors import InvalidInput, StartupError
from tradewind.plugins.engines.base import Launch, LaunchSpec
from tradewind.plugins.engines.llama_server import LlamaServer, Program, find_program
from tradewind.plugins.engines.local import LocalProcesses
from tradewind.snapshot.contents import Operation

MODEL = Path("/models/a.gguf")
PROGRAM = Program(Path("/opt/llama-server"), is_packaged=False)


def plan(spec: LaunchSpec, program: Program = PROGRAM, run: Path = Path("/run/tw")) -> Launch:
    engine = LlamaServer(LocalProcesses(), program)
    return engine.plan(spec, replica_id="rep_01", run=run, secret=SECRET)


def value_of(launch: Launch, option: str) -> str:
    return launch.argv[launch.argv.index(option) + 1]


def test_every_slot_gets_the_whole_context():
    launch = plan(spec_of("llama_server", MODEL, context_tokens=8192, slots=4))
    assert value_of(launch, "--ctx-size") == "32768"
    assert value_of(launch, "--parallel") == "4"
    assert "--no-kv-unified" in launch.argv


def test_chat_is_planned_with_key_file_socket_and_metrics():
    launch = plan(spec_of("llama_server", MODEL))
    assert launch.argv[0] == "/opt/llama-server"
    assert launch.address == "/run/tw/engine-01.sock"
    assert value_of(launch, "--host") == launch.address
    assert value_of(launch, "--api-key-file") == "/run/tw/engine-01.key"
    assert [(str(f.path), f.content) for f in launch.files] == [
        ("/run/tw/engine-01.key", SECRET + "\n")
    ]
    assert value_of(launch, "--alias") == "publisher/model"
    assert {"--jinja", "--metrics", "--offline", "--no-webui"} <= set(launch.argv)
    assert value_of(launch, "--device") == "none"


def test_embeddings_take_a_whole_text_in_one_batch():
    spec = spec_of("llama_server", MODEL, operation=Operation.EMBEDDINGS, context_tokens=2048)
    launch = plan(spec)
    assert "--embeddings" in launch.argv
    assert "--jinja" not in launch.argv
    assert value_of(launch, "--batch-size") == value_of(launch, "--ubatch-size") == "2048"


def test_device_auto_leaves_the_choice_to_the_engine():
    launch = plan(spec_of("llama_server", MODEL, device="auto"))
    assert "--device" not in launch.argv
    assert "--fit" not in launch.argv


def test_extra_arguments_come_before_ours():
    launch = plan(spec_of("llama_server", MODEL, extra_arguments=("--host", "0.0.0.0")))
    assert launch.argv.index("0.0.0.0") < launch.argv.index("/run/tw/engine-01.sock")


def test_bundled_openmp_is_linked_under_the_name_the_loader_looks_for():
    library = Path("/site-packages/some.libs/libgomp-ab12.so.1.0.0")
    launch = plan(spec_of("llama_server", MODEL), PROGRAM._replace(openmp=library))
    [link] = [file for file in launch.files if file.link_to is not None]
    assert link.path.name == "libgomp.so.1"
    assert link.link_to == library
    assert launch.env["LD_LIBRARY_PATH"] == str(link.path.parent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0},
        {"slots": 100_000},
        {"context_tokens": 0},
        {"threads": -1},
        {"alias": "two,names"},
        {"alias": ""},
        {"alias": "--api-key"},
        {"model_path": Path("relative.gguf")},
        {"extra_arguments": ("zero\0byte",)},
    ],
)
def test_impossible_specs_are_refused(wrong: dict[str, object]):
    with pytest.raises(InvalidInput):
        plan(spec_of("llama_server", MODEL, **wrong))


def test_run_folder_too_long_for_a_socket_is_refused():
    with pytest.raises(InvalidInput, match="no path for a socket"):
        plan(spec_of("llama_server", MODEL), run=Path("/" + "x" * 100))


def test_missing_program_is_told_in_one_line():
    with pytest.raises(StartupError, match="is not installed"):
        LlamaServer(LocalProcesses(), None).check()
    own = find_program(Path("/nowhere/llama-server"))
    with pytest.raises(StartupError, match="no llama-server at '/nowhere/llama-server'"):
        LlamaServer(LocalProcesses(), own).check()


def test_own_program_is_taken_before_the_packaged_one():
    assert find_program(Path("/opt/mine")) == Program(Path("/opt/mine"), is_packaged=False)


def test_packaged_program_is_found_without_importing_it():
    program = find_program()
    assert program is not None
    assert program.is_packaged
    assert program.path.name == "llama-server"
