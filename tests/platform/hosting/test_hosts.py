"""What a host is made of: its variables, its settings, its processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from modules.platform.hosting.environment import EnvError
from modules.platform.hosting.host import Host, standalone_host
from modules.platform.hosting.running.process import Process
from modules.platform.hosting.running.processes import host_processes
from modules.platform.hosting.settings import applications, backoffice, calls, identity
from shop.host import HOST, ROOT


@pytest.fixture
def payment() -> Host:
    return standalone_host("payment", folder=ROOT / "extracted/payment", web_port=8101)


def test_a_host_reads_what_its_modules_declare(payment: Host) -> None:
    """Payment's variables and no other module's; its own database, its own port."""
    names = {variable.name for variable in payment.all_variables}
    assert {"PAYMENT_PROVIDER", "STANDIN_PORT", "INSTANCE_ROLE", "PAYMENT_DATABASE_URL"} <= names
    assert not {"SMTP_URL", "SIGNING_KEYS_DIR", "FICUS_MODULES", "PROXY_WORKERS"} & names
    assert payment.environment({}).read("WEB_PORT") == 8101


def test_the_shop_reads_nothing_of_standalone_hosts() -> None:
    """It has no role: it is the origin."""
    names = {variable.name for variable in HOST.all_variables}
    assert not {"INSTANCE_ROLE", "ACCESS_TOKEN_KEYS"} & names


def test_home_is_the_hosts_own_folder(payment: Host, tmp_path: Path) -> None:
    """Unless FICUS_HOME says otherwise: two hosts never share embedded servers by accident."""
    assert payment.home(payment.environment({})) == ROOT / "extracted/payment/.ficus"
    assert payment.home(payment.environment({"FICUS_HOME": str(tmp_path)})) == tmp_path
    assert HOST.home(HOST.environment({})) == ROOT / ".ficus"


def test_env_file_of_its_own_folder_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills in what is not set; what is set in the process wins over it."""
    monkeypatch.setenv("LOG_LEVEL", "ERROR")
    monkeypatch.setenv("LOG_FORMAT", "")  # set first, so that what the file sets is undone again
    monkeypatch.delenv("LOG_FORMAT")
    folder = tmp_path / "extracted" / "payment"
    folder.mkdir(parents=True)
    (folder / ".env").write_text("LOG_LEVEL=DEBUG\nLOG_FORMAT=json\n")
    env = standalone_host("payment", folder=folder, web_port=1).environment()
    assert (env.read("LOG_LEVEL"), env.read("LOG_FORMAT")) == ("ERROR", "json")


def test_without_accounts_there_are_no_passwords(payment: Host) -> None:
    """Operators instead of users, no lockout, keys of the shop; with accounts the reverse."""
    env = payment.environment({"SHOP_URL": "https://shop.example"})
    made = identity.settings(env, ("payment",), shop_url="https://shop.example")
    assert made["AUTH_USER_MODEL"] == "operators.Operator"
    assert made["ACCESS_TOKEN_KEYS"].startswith("https://shop.example/api/v1/accounts/")
    assert "AUTH_PASSWORD_VALIDATORS" not in made
    apps = applications.settings(payment, ("payment",))["INSTALLED_APPS"]
    assert "axes" not in apps
    assert "modules.platform.operators.apps.OperatorsConfig" in apps
    assert backoffice.LOCKOUT not in str(backoffice.settings(payment, "x", ("payment",), ROOT))
    with_accounts = identity.settings(HOST.environment({}), ("accounts",), shop_url="https://x")
    assert (with_accounts["AUTH_USER_MODEL"], with_accounts["ACCESS_TOKEN_KEYS"]) == (
        "accounts.User",
        "",
    )


def test_processes_are_the_hosts_and_its_modules_surroundings(
    payment: Host, tmp_path: Path
) -> None:
    """Web, worker, relay and beat of its own package; the stand-in calls back at the entrance."""
    env = payment.environment({})
    found = {
        process.name: " ".join(process.command)
        for process in host_processes(
            payment, env, tmp_path, ("payment",), entrance="http://127.0.0.1:8101"
        )
    }
    assert set(found) == {"standin", "relay", "worker", "outside", "beat", "web"}
    assert "extracted.payment.wsgi:application" in found["web"]
    assert "-A extracted.payment worker --queues host.payment,bus.payment" in found["worker"]
    assert "worker --queues outside.payment --pool threads --concurrency 16 " in found["outside"]
    assert "extracted/payment/manage.py relay" in found["relay"]
    assert "http://127.0.0.1:8101/api/v1/payment/webhooks/standin" in found["standin"]


def test_on_the_monoliths_data_it_answers_and_hears_only(payment: Host, tmp_path: Path) -> None:
    """An instance of role origin has no relay and no beat: the monolith has them."""
    env = payment.environment({"INSTANCE_ROLE": "origin"})
    found = host_processes(payment, env, tmp_path, payment.modules, entrance="http://x")
    assert {process.name for process in found} == {"standin", "worker", "outside", "web"}


@pytest.mark.parametrize(
    ("variables", "gone"),
    [
        ({"STANDIN_URL": "http://bank.test"}, "standin"),
        ({"SMTP_URL": "smtp://mail.test:25"}, "mailbox"),
    ],
)
def test_no_stand_in_where_the_real_one_is_named(
    tmp_path: Path, variables: dict[str, str], gone: str
) -> None:
    """A surrounding that somebody else provides is not started."""
    env = HOST.environment(variables)
    found = host_processes(HOST, env, tmp_path, HOST.modules, entrance="http://x")
    assert gone not in {process.name for process in found}
    everything = host_processes(HOST, HOST.environment({}), tmp_path, HOST.modules, entrance="")
    assert gone in {process.name for process in everything}


def test_no_secret_is_on_a_command_line(payment: Host, tmp_path: Path) -> None:
    """The stand-in reads it from its environment, or from the file in which it was made."""
    for variables, in_file in (({"STANDIN_WEBHOOK_SECRET": "hush"}, False), ({}, True)):
        env = payment.environment(variables)
        found = host_processes(payment, env, tmp_path, payment.modules, entrance="http://x")
        (standin,) = (process for process in found if process.name == "standin")
        assert "hush" not in " ".join(standin.command)
        assert (str(tmp_path / "secrets" / "standin") in standin.command) is in_file


def test_grpc_is_a_process_where_it_has_a_port(payment: Host, tmp_path: Path) -> None:
    """Off unless asked for; with a port it is served, announced, and its port is named if taken."""
    asked = {"REGISTRY_URL": "http://shop:8001/registry", "INSTANCE_URL": "http://10.0.0.7:8101"}

    def found(**variables: str) -> dict[str, Process]:
        env = payment.environment({**asked, **variables})
        all_of_them = host_processes(payment, env, tmp_path, ("payment",), entrance="http://x")
        return {process.name: process for process in all_of_them}

    without = found()
    assert "grpc" not in without
    assert "--grpc-url" not in without["announce"].command
    with_it = found(GRPC_PORT="9101", GRPC_THREADS="5", WEB_HOST="10.0.0.7")
    command = " ".join(with_it["grpc"].command)
    assert "manage.py grpc_server --host 10.0.0.7 --port 9101 --threads 5" in command
    assert with_it["grpc"].ports == {"GRPC_PORT": 9101}
    announce = " ".join(with_it["announce"].command)
    assert "--grpc-url grpc://10.0.0.7:9101 --ask-grpc 127.0.0.1:9101" in announce
    over_tls = found(GRPC_PORT="9101", GRPC_CERTIFICATE="/c.pem", GRPC_KEY="/k.pem")
    assert "--grpc-url grpcs://10.0.0.7:9101" in " ".join(over_tls["announce"].command)
    elsewhere = found(INSTANCE_GRPC_URL="grpc://payment.mesh:443")
    assert "--grpc-url grpc://payment.mesh:443" in " ".join(elsewhere["announce"].command)
    assert "grpc" not in elsewhere


def test_the_monolith_serves_its_modules_over_grpc_by_the_same_process(tmp_path: Path) -> None:
    """For services that call back."""
    env = HOST.environment({"GRPC_PORT": "9001"})
    found = host_processes(HOST, env, tmp_path, HOST.modules, entrance="http://x")
    (process,) = (process for process in found if process.name == "grpc")
    assert "manage.py grpc_server" in " ".join(process.command)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RPC_TRANSPORTS": "payment=pigeon"}, "'payment=pigeon' is not like payment=grpc"),
        ({"RPC_TRANSPORTS": "payment"}, "'payment' is not like payment=grpc"),
        ({"RPC_TRANSPORTS": "paymnt=grpc"}, "'paymnt=grpc' names a module that has no contract"),
        ({"RPC_TRANSPORTS": "payment=grpc,payment=http"}, "comes after payment=grpc"),
        ({"GRPC_CERTIFICATE": "/c.pem"}, "GRPC_CERTIFICATE and GRPC_KEY"),
        ({"INSTANCE_GRPC_URL": "http://10.0.0.7:9101"}, "INSTANCE_GRPC_URL"),
    ],
)
def test_what_cannot_be_called_so_is_said_at_start(
    payment: Host, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    """One line that names the variable, before anything is served or called."""
    with pytest.raises(EnvError, match=re.escape(said)):
        calls.settings(payment, payment.environment(variables), tmp_path)


def test_how_modules_are_called_is_a_setting(payment: Host, tmp_path: Path) -> None:
    """All by HTTP unless named."""
    env = payment.environment({"RPC_TRANSPORTS": "payment=grpc, cart=http"})
    made = calls.settings(payment, env, tmp_path)
    assert made["RPC_TRANSPORTS"] == {"payment": "grpc", "cart": "http"}
    assert calls.settings(payment, payment.environment({}), tmp_path)["RPC_TRANSPORTS"] == {}
