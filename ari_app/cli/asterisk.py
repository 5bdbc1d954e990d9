"""`kakehashi asterisk`: build the root file system, run an Asterisk of its own, look into it."""

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ari_app.ami.client import open_ami
from ari_app.asterisk import instance
from ari_app.asterisk.config import CREDENTIALS, InstanceConfig, Trunk, render
from ari_app.asterisk.rootfs import build_rootfs
from ari_app.cli.output import AsJson, print_json, say, show_facts
from ari_app.config import Settings, load_settings

app = typer.Typer(
    help="専用の Asterisk 22 を作成・起動・停止します（コンテナエンジン不要）。",
    no_args_is_help=True,
    rich_markup_mode=None,
)

# Where no trunk is set, calls go to the simulated carrier of `kakehashi carrier up`.
SIMULATED_CARRIER = Trunk(port=5070)


def port_range(text: str) -> tuple[int, int]:
    """Read `A-B`, two UDP ports."""
    first, dash, last = text.partition("-")
    if not (dash and first.isdigit() and last.isdigit() and 1024 <= int(first) < int(last) <= 65535):
        raise typer.BadParameter(f"A-B (1024-65535): {text}")
    return int(first), int(last)


def sip_uri(text: str) -> Trunk:
    """Read `sip:HOST:PORT`."""
    try:
        return Trunk.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Directory = Annotated[
    Path | None, typer.Option("--dir", help="インスタンスのディレクトリ [既定: STATE_DIR/asterisk]", show_default=False)
]
SipPort = Annotated[int, typer.Option(help="SIP（UDP）のポート")]
HttpPort = Annotated[int, typer.Option(help="ARI のポート（127.0.0.1）")]
AmiPort = Annotated[int, typer.Option(help="AMI のポート（127.0.0.1）")]
RtpPorts = Annotated[str, typer.Option(metavar="A-B", help="RTP のポート範囲")]
TrunkUri = Annotated[
    str,
    typer.Option(
        "--trunk",
        metavar="sip:HOST:PORT",
        help="通信事業者の SIP サーバ [既定: KAKEHASHI_TRUNK_HOST、なければ模擬キャリア sip:127.0.0.1:5070]",
        show_default=False,
    ),
]
SipBind = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="SIP の待ち受けアドレス [既定: トランクが同じマシンなら 127.0.0.1、それ以外は 0.0.0.0]",
        show_default=False,
    ),
]


@app.command()
def build(
    force: Annotated[bool, typer.Option("--force", help="最新でも作り直す")] = False, as_json: AsJson = False
) -> None:
    """Asterisk の実行環境（rootfs）を作成する。最新なら何もしない。"""
    show_facts({"rootfs": build_rootfs(force=force)}, as_json=as_json)


@app.command()
def up(
    directory: Directory = None,
    sip_port: SipPort = 5060,
    http_port: HttpPort = 8088,
    ami_port: AmiPort = 5038,
    rtp_ports: RtpPorts = "10000-10999",
    trunk: TrunkUri = "",
    sip_bind: SipBind = "",
    as_json: AsJson = False,
) -> None:
    """設定を生成して Asterisk を起動し、応答するまで待つ。起動済みなら何もしない。"""
    config = _config(directory, sip_port, http_port, ami_port, rtp_ports, trunk, sip_bind)
    connection = instance.start(config, state_file=load_settings().state_dir / "asterisk.json")
    show_facts(connection.public() | {"credentials": str(config.dir / CREDENTIALS)}, as_json=as_json)


@app.command("render")
def render_only(
    directory: Directory = None,
    sip_port: SipPort = 5060,
    http_port: HttpPort = 8088,
    ami_port: AmiPort = 5038,
    rtp_ports: RtpPorts = "10000-10999",
    trunk: TrunkUri = "",
    sip_bind: SipBind = "",
    as_json: AsJson = False,
) -> None:
    """設定を生成するだけで起動しない（コンテナや既存の Asterisk 用）。"""
    config = _config(directory, sip_port, http_port, ami_port, rtp_ports, trunk, sip_bind)
    instance.keep_connection(render(config), load_settings().state_dir / "asterisk.json")
    show_facts({"etc": config.dir / "etc"}, as_json=as_json)


@app.command()
def down(directory: Directory = None, as_json: AsJson = False) -> None:
    """Asterisk を停止する。通話中の呼は切断される。"""
    show_stopped(instance.stop(_directory(directory)), as_json=as_json)


@app.command()
def reload(as_json: AsJson = False) -> None:
    """Asterisk に設定ファイルを読み直させる（AMI）。通話は切れない。"""
    asyncio.run(_reload(load_settings()))
    show_facts({"reloaded": True}, as_json=as_json)


@app.command()
def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """動作状態を表示する。動作していなければ終了コード 1。"""
    current = instance.status(_directory(directory))
    show_facts(asdict(current), as_json=as_json)
    raise typer.Exit(0 if current.running else 1)


@app.command("cli")
def console(
    words: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]...", help="例: core show channels")] = None,
    directory: Directory = None,
) -> None:
    """Asterisk の CLI。コマンドを付けなければ対話モード（asterisk -r）。"""
    if words:
        typer.echo(instance.command(_directory(directory), " ".join(words)), nl=False)
        return
    command = instance.console_command(_directory(directory), "-r")
    os.execvp(command[0], command)  # noqa: S606


def show_stopped(stopped: bool, *, as_json: bool) -> None:
    """Say whether there was something to stop."""
    if as_json:
        print_json({"stopped": stopped})
    elif stopped:
        say("停止しました")
    else:
        say("動作していません")


async def _reload(settings: Settings) -> None:
    async with open_ami(settings) as ami:
        await ami.action("Reload")


def _directory(directory: Path | None) -> Path:
    return (directory or load_settings().state_dir / "asterisk").absolute()


def _config(
    directory: Path | None, sip_port: int, http_port: int, ami_port: int, rtp_ports: str, trunk: str, sip_bind: str
) -> InstanceConfig:
    return InstanceConfig(
        dir=_directory(directory),
        sip_port=sip_port,
        http_port=http_port,
        ami_port=ami_port,
        rtp_ports=port_range(rtp_ports),
        trunk=_trunk(trunk),
        sip_bind=sip_bind or None,
        ari_app=load_settings().ari_app,
    )


def _trunk(uri: str) -> Trunk:
    settings = load_settings()
    if uri:
        peer = sip_uri(uri)
    elif settings.trunk_host:
        peer = Trunk(host=settings.trunk_host, port=settings.trunk_port)
    else:
        return SIMULATED_CARRIER
    return Trunk(
        host=peer.host,
        port=peer.port,
        username=settings.trunk_username or None,
        password=settings.trunk_password.get_secret_value() or None,
    )
