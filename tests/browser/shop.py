"""A tiny warehouse floor in memory, behind the real pages: enough to see what a device does.

It judges acts with the real rules, stores answers by key as the real server does, and misbehaves
on request: refuses a step, answers with another status, forgets who is signed in.
"""

import asyncio
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.enums import MediaType
from litestar.params import FromPath
from litestar.response import Redirect

from web.assets import HANDLERS
from web.scanner import frame
from web.scanner.turns import field, onward
from web.templating import CONTENT_SECURITY_POLICY, environment
from wms.barcodes import label
from wms.errors import Refused
from wms.steps import Act, Answer, Packet, Path, Question, Step, finished

ITEM = "04006381333931"
TOTE = label("TT", "12")
BINS = ("A-04-2", "A-05-1", "B-11-3")
Q = Question


def bin_label(code: str) -> str:
    return label("BN", code)


def pick(number: int, code: str, qty: int) -> Step:
    amount = Q(fact="qty", ask="Take", show=str(qty), kind="qty", least=1, most=qty,
               default=str(qty))  # fmt: skip
    tote = Q(fact="tote", ask="Put in tote A", show=TOTE, accepts={TOTE: {"tote": "5"}})
    found = Q(fact="found", ask="How many are there?", kind="qty", most=qty - 1)
    fresh = Q(fact="tote", ask="Scan an empty tote", fresh=("TT",))
    return Step(
        ref=f"pick/{number}",
        version=1,
        title="Pick for SO-1001",
        verb="GO TO",
        name="Blue mug, stoneware, 300 ml · MUG-BLU",
        note="Lot L42, best before 2027-03-31",
        qty=f"{qty} pieces",
        questions=(
            Q(fact="bin", ask="Go to bin", show=code,
              accepts={bin_label(code): {"bin": code}, "37": {"bin": code}}),
            Q(fact="item", ask="Scan item", show="MUG-BLU",
              accepts={ITEM: {"item": "9"}, "MUG-BLU": {"item": "9"}}),
            *((amount,) if qty > 1 else ()),
            tote,
        ),
        paths=(
            Path(code="short", word="Short", questions=(found,)),
            Path(code="damaged", word="Damaged", questions=(found,)),
            Path(code="full", word="Tote full", questions=(fresh,)),
            Path(code="skip", word="Skip for now"),
        ),
    )  # fmt: skip


RECEIVE = Step(
    ref="receive/1",
    version=1,
    title="Receive ASN-77",
    name="Scan every case",
    repeat=True,
    keep=("lpn",),
    questions=(
        Q(fact="item", ask="Scan the item", accepts={ITEM: {"item": "9"}, "PEN": {"item": "3"}}),
        Q(fact="expiry", ask="Best before", kind="date", only_if={"item": ("9",)}),
        Q(fact="qty", ask="How many?", kind="qty", least=1, most=500, default="1"),
        Q(fact="lpn", ask="Onto which license plate?", fresh=("LP",)),
    ),
)
COUNT = Step(
    ref="count/1",
    version=1,
    title="Count",
    verb="Go to",
    questions=(
        Q(fact="bin", ask="Scan the bin", show="C-01-1",
          accepts={bin_label("C-01-1"): {"bin": "1"}}),
        Q(fact="empty", ask="Is it empty?", choices=(("EMPTY", "Empty"), ("FULL", "Not empty")),
          accepts={"EMPTY": {"empty": "1"}, "FULL": {"empty": "0"}}),
        Q(fact="qty", ask="How many pieces?", kind="qty", only_if={"empty": ("0",)}),
    ),
)  # fmt: skip


def pack(left: int) -> Step:
    return Step(
        ref="pack/1",
        version=1,
        title="Pack SO-1001",
        qty=f"{left} left",
        repeat=True,
        keep=("tote",),
        questions=(
            Q(fact="tote", ask="Scan the tote", show=TOTE, accepts={TOTE: {"tote": "5"}}),
            Q(fact="item", ask="Scan each item",
              accepts={ITEM: {"item": "9"}, "PEN": {"item": "3"}}),
        ),
    )  # fmt: skip


class Shop:
    """What the server knows, and how it is to misbehave."""

    def __init__(self) -> None:
        self.acts: list[Act] = []  # performed, each once
        self.sent = 0  # requests to perform one
        self.answers: dict[str, Answer] = {}
        self.tours = {"1": [pick(1, BINS[0], 6), pick(2, BINS[1], 1), pick(3, BINS[2], 2)],
                      "2": [pick(4, BINS[1], 1)]}  # fmt: skip
        self.refuse: dict[str, str] = {}
        self.reply: dict[str, Answer] = {}  # by ref, instead of the usual answer
        self.statuses: list[int] = []  # given to the next acts
        self.delay = 0.0
        self.signed_in = True
        self.asked: list[str] = []  # looked up
        self.initials = "AN"
        self.polls = 0

    def packet(self, flow: str, ident: str) -> Packet:
        here = f"/floor/{flow}/{ident}"
        if flow == "receive":
            come = sum(int(act.scans[1]) for act in self.acts if act.ref == "receive/1")
            step = msgspec.structs.replace(RECEIVE, qty=f"{50 - come} to come")
            return Packet(flow=flow, title="Receive", steps=(step,), here=here)
        if flow == "count":
            return Packet(flow=flow, title="Count", steps=(COUNT,), here=here, total=1)
        if flow == "pack":
            left = 5 - sum(act.ref == "pack/1" for act in self.acts)
            return Packet(flow=flow, title="Pack", steps=(pack(left),), here=here,
                          done=5 - left, total=5)  # fmt: skip
        steps = tuple(self.tours[ident])
        total = {"1": 3, "2": 1}[ident]
        return Packet(flow=flow, title="Pick", steps=steps, here=here, after="/floor/next",
                      done=total - len(steps), total=total)  # fmt: skip

    def perform(self, act: Act) -> Answer:
        """As the real server: one effect for each key, refusals stored too."""
        if act.key in self.answers:
            return msgspec.structs.replace(self.answers[act.key], replayed=True)
        self.answers[act.key] = answer = self._judged(act)
        return answer

    def _judged(self, act: Act) -> Answer:
        step = next((each for tour in self.tours.values() for each in tour if each.ref == act.ref),
                    {"receive/1": RECEIVE, "count/1": COUNT, "pack/1": pack(5)}.get(act.ref)
                    )  # fmt: skip
        if act.ref in self.refuse:
            return Answer(ok=False, say=self.refuse[act.ref], tone="wrong", code="Refused")
        if step is None:
            return Answer(ok=False, say="That was done already.", tone="wrong", code="StaleStep")
        try:
            finished(step, act)
        except Refused as refusal:
            return Answer(ok=False, say=str(refusal), tone="wrong", code=refusal.code)
        self.acts.append(act)
        for tour in self.tours.values():
            if step in tour and act.path != "full":
                tour.remove(step)
            elif step in tour:
                newer = msgspec.structs.replace(step, version=step.version + 1)
                tour[tour.index(step)] = newer
        return self.reply.get(act.ref, Answer(ok=True, say="Stored.", tone="step_done"))


def shop_of(request: Request[Any, Any, Any]) -> Shop:
    return request.app.state.shop


def html(text: str, status: int = 200) -> Response[str]:
    return Response(text, media_type=MediaType.HTML, status_code=status)


REQUEST = Request[Any, Any, Any]


@get("/floor")
async def hub(request: REQUEST) -> Response[Any]:
    tiles = (frame.Link(word="Pick", url="/floor/next", count=4),)
    return html(frame.render_hub(frame.Hub(name="Ana", initials="AN", tiles=tiles)))


@get("/floor/next")
async def next_work(request: REQUEST) -> Redirect:
    shop = shop_of(request)
    ident = next((ident for ident, steps in shop.tours.items() if steps), None)
    return Redirect(f"/floor/pick/{ident}" if ident else "/floor", status_code=303)


@get("/floor/{flow:str}/{ident:str}")
async def show(request: REQUEST, flow: FromPath[str], ident: FromPath[str]) -> Response[Any]:
    shop = shop_of(request)
    packet = shop.packet(flow, ident)
    if "application/json" in request.headers.get("accept", ""):
        return Response(msgspec.json.encode(packet), media_type=MediaType.JSON)
    said = shop.answers.get(request.query_params.get("said", ""))
    kept = request.query_params.getall("kept", [])
    message, tone = (said.say, said.tone) if said else ("", "")
    page = frame.render_page(
        packet, user_initials=shop.initials, kept=kept, message=message, tone=tone
    )
    return html(page)


@post("/floor/act", status_code=200)
async def act(request: REQUEST) -> Response[Any]:
    shop = shop_of(request)
    if shop.delay:
        await asyncio.sleep(shop.delay)
    if request.headers.get("content-type", "").startswith("application/json"):
        shop.sent += 1
        if not shop.signed_in:
            return Response({"code": "NotSignedIn"}, status_code=401)
        if shop.statuses:
            status = shop.statuses.pop(0)
            problem = {"code": "KeyReused", "detail": "That key was used.", "title": "No"}
            return Response(problem, status_code=status)
        sent = msgspec.json.decode(await request.body(), type=Act)
        return Response(msgspec.json.encode(shop.perform(sent)), media_type=MediaType.JSON)
    form = await request.form()
    flow, ident = field(form, "here").split("/")[2:4]
    packet = shop.packet(flow, ident)
    turn = frame.form_turn(packet, form)
    if turn.act is None:
        return html(frame.render_turn(packet, turn, user_initials=shop.initials))
    return Redirect(onward(packet, turn, shop.perform(turn.act)), status_code=303)


@post("/floor/scan", status_code=200)
async def scan(request: REQUEST) -> Response[Any]:
    form = await request.form()
    shop_of(request).asked.append(field(form, "code"))
    rows = (("Bin", "A-04-2"), ("On hand", "48"), ("Allocated", "6"), ("Lot", "L42"))
    inquiry = frame.Inquiry(title=field(form, "code"), kind="Item", rows=rows)
    return html(frame.render_inquiry(inquiry, user_initials="AN", back=field(form, "here")))


@get("/floor/login")
async def login(request: REQUEST) -> Response[str]:
    shop_of(request).asked.append(str(request.url.path) + "?" + str(request.url.query))
    return html(frame.render_login(next_url=request.query_params.get("next", "")))


@post("/floor/login", status_code=200)
async def enter(request: REQUEST) -> Response[Any]:
    form = await request.form()
    shop = shop_of(request)
    badge, pin = field(form, "badge"), field(form, "pin")
    if badge != label("BD", "ANA"):
        return html(frame.render_login(message="That is not a badge. Scan your badge."), 401)
    if pin != "4711":
        wrong = "That PIN is wrong." if pin else ""
        return html(frame.render_login(badge=badge, name="Ana", message=wrong,
                                       next_url=field(form, "next")))  # fmt: skip
    shop.signed_in = True
    return Redirect(field(form, "next") or "/floor", status_code=303)


LIVE = """{% extends "office/base.html" %}{% block main %}
<p id="count" hx-get="/office/count" hx-trigger="every 100ms" hx-swap="innerHTML">0</p>
{% endblock %}"""


@get("/office/live")
async def office() -> Response[str]:
    return html(environment().from_string(LIVE).render())


@get("/office/count")
async def count(request: REQUEST) -> Response[str]:
    """How often a page asked; refused as often as the test wants."""
    shop = shop_of(request)
    shop.polls += 1
    return html(str(shop.polls), shop.statuses.pop(0) if shop.statuses else 200)


def make_app() -> Litestar:
    app = Litestar(
        route_handlers=[hub, next_work, show, act, scan, login, enter, office, count,
                        *HANDLERS],
        response_headers=[
            ResponseHeader(name="content-security-policy", value=CONTENT_SECURITY_POLICY)
        ],
        openapi_config=None,
        logging_config=None,
    )  # fmt: skip
    app.state.shop = Shop()
    return app
