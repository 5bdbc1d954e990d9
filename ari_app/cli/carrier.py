"""`kakehashi carrier`: the simulated carrier, and what its phones do on demand."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ari_app.asterisk import instance
from ari_app.asterisk.carrier import BEHAVIOURS, Carrier, carrier_config
from ari_app.asterisk.config import CREDENTIALS
from ari_app.cli.asterisk import AmiPort, HttpPort, RtpPorts, SipPort, port_range, show_stopped, sip_uri
from ari_app.cli.output import AsJson, print_json, show_facts, table
from ari_app.config import load_settings

TABLE = "\n".join(f"  …{digits}  {behaviour}" for digits, behaviour in BEHAVIOURS.items())

app = typer.Typer(
    help=f"""模擬キャリア：もう一つの Asterisk が公衆網と電話機の役をします。

    電話は番号の下2桁で振る舞いが決まります（どの番号でも可。表にない下2桁は02と同じ）。

    \b
{TABLE}

    応答した電話が聞いた音は DIR/recordings/番号-ID.wav に録音されます。
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Directory = Annotated[
    Path | None, typer.Option("--dir", help="ディレクトリ [既定: STATE_DIR/carrier]", show_default=False)
]
Number = Annotated[str, typer.Argument(metavar="NUMBER", help="電話番号")]


@app.command()
def up(
    directory: Directory = None,
    sip_port: SipPort = 5070,
    http_port: HttpPort = 8098,
    ami_port: AmiPort = 5048,
    rtp_ports: RtpPorts = "11000-11999",
    pbx: Annotated[
        str, typer.Option(metavar="sip:HOST:PORT", help="加入者（Kakehashi の Asterisk）")
    ] = "sip:127.0.0.1:5060",
    as_json: AsJson = False,
) -> None:
    """模擬キャリアを起動し、応答するまで待つ。起動済みなら何もしない。"""
    config = carrier_config(
        _directory(directory),
        sip_port=sip_port,
        http_port=http_port,
        ami_port=ami_port,
        rtp_ports=port_range(rtp_ports),
        pbx=sip_uri(pbx),
    )
    carrier = Carrier.start(config)
    facts = {"recordings": str(carrier.recordings), "credentials": str(config.dir / CREDENTIALS)}
    show_facts(carrier.connection.public() | facts, as_json=as_json)


@app.command()
def down(directory: Directory = None, as_json: AsJson = False) -> None:
    """模擬キャリアを停止する。"""
    show_stopped(Carrier(_directory(directory)).stop(), as_json=as_json)


@app.command()
def status(directory: Directory = None, as_json: AsJson = False) -> None:
    """動作状態を表示する。動作していなければ終了コード 1。"""
    current = instance.status(_directory(directory))
    show_facts(asdict(current), as_json=as_json)
    raise typer.Exit(0 if current.running else 1)


@app.command()
def calls(
    number: Annotated[str | None, typer.Argument(metavar="[NUMBER]", help="この番号の呼だけ")] = None,
    directory: Directory = None,
    as_json: AsJson = False,
) -> None:
    """キャリアに届いた呼を、見えた発信者番号とともに古い順に表示する。"""
    found = Carrier(_directory(directory)).calls(number)
    if as_json:
        print_json({"items": [asdict(call) for call in found], "next": None})
        return
    rows = [[call.invited_at, call.number, call.from_header, call.answered_at, call.hangup_cause] for call in found]
    typer.echo(table(rows, ["invited_at", "number", "from_header", "answered_at", "hangup_cause"]))


@app.command("call")
def place_call(
    number: Number,
    caller: Annotated[str, typer.Option("--from", metavar="NUMBER", help="発信者番号（下2桁によらず02のように話す）")],
    directory: Directory = None,
) -> None:
    """キャリアから Kakehashi の NUMBER へ着信させる。"""
    Carrier(_directory(directory)).call(number, caller=caller)


@app.command()
def press(
    number: Number, digits: Annotated[str, typer.Argument(metavar="DIGITS")], directory: Directory = None
) -> None:
    """通話中の電話 NUMBER でキーを押す。"""
    Carrier(_directory(directory)).press(number, digits)


@app.command()
def hangup(number: Number, directory: Directory = None) -> None:
    """電話 NUMBER を切る。"""
    Carrier(_directory(directory)).hang_up(number)


def _directory(directory: Path | None) -> Path:
    return (directory or load_settings().state_dir / "carrier").absolute()
