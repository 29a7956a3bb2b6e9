"""What our own codes look like, and the labels they stand in."""

from wms import barcodes

CODE_PATTERN = r"^[0-9A-Z][0-9A-Z.\-]{0,29}$"
SKU_PATTERN = r"^[0-9A-Za-z][0-9A-Za-z._\-]{0,39}$"
PLATE_KINDS = {"tote": "TT", "cart": "CA"}  # every other plate is LP


def is_sscc(code: str) -> bool:
    return len(code) == 18 and code.isdigit() and barcodes.gs1_check_ok(code)


def plate_label(kind: str, code: str) -> str:
    """A plate's code as it is scanned: an SSCC as it is, anything else inside our own label."""
    return code if is_sscc(code) else barcodes.label(PLATE_KINDS.get(kind, "LP"), code)


def badge_label(badge: str) -> str:
    return barcodes.label("BD", badge)
