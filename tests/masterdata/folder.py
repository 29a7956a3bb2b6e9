"""A small right folder of CSV files, to be bent by a test."""

from pathlib import Path

FILES: dict[str, str] = {
    "warehouse.csv": "code,name,timezone,gs1_prefix\nW1,Main,Europe/Berlin,9521234\n",
    "zones.csv": "code,name\nA,Shelves\n",
    "aisles.csv": "code,zone,x_mm,y_from_mm,y_to_mm\n01,A,3000,0,11000\n",
    "cross_aisles.csv": "y_mm\n0\n11000\n",
    "bins.csv": """\
code,kind,zone,aisle,x_mm,y_mm,capacity_mm3,mix_lots
A-01-01,pick,A,01,3000,1000,90000000,no
A-01-02,pick,A,01,3000,2000,,
R-01-01,reserve,A,01,3000,1000,,
DOCK-1,dock,,,,,,
STAGE-IN,stage_in,,,,,,
CLARIFY,clarify,,,,,,
PACK-1,pack,,,,,,
OUT-PARCEL,stage_out,,,,,,
""",
    "owners.csv": "code,name\nACME,Acme Outdoor\n",
    "items.csv": """\
owner,sku,description,lot_tracked,expiry_tracked,serial_tracked,rotation
ACME,MUG,"Mug, enamel",no,no,no,fifo
ACME,BAR,Energy bar,yes,yes,no,fefo
ACME,GPS,GPS watch,no,no,yes,fifo
""",
    "pack_levels.csv": """\
owner,sku,level,base_qty,length_mm,width_mm,height_mm,weight_g
ACME,MUG,each,1,100,90,90,300
ACME,MUG,case,12,320,280,200,3800
ACME,BAR,each,1,120,40,20,60
ACME,GPS,each,1,120,80,60,200
""",
    "barcodes.csv": """\
value,owner,sku,level
9521234000006,ACME,MUG,each
19521234000003,ACME,MUG,case
9521234000013,ACME,BAR,each
ACME-GPS,ACME,GPS,each
""",
    "carton_types.csv": """\
code,inner_length_mm,inner_width_mm,inner_height_mm,outer_length_mm,outer_width_mm,\
outer_height_mm,tare_g,gross_max_g
S,200,150,100,210,160,110,120,10000
""",
    "carriers.csv": "code,name\nPARCEL,Parcel Post\n",
    "cutoffs.csv": "carrier,at,dock\nPARCEL,15:00,DOCK-1\n",
    "users.csv": """\
code,name,badge,pin,roles
PIA,Pia Berg,7K2M,2468,picker packer
SUE,Sue Lind,9X4P,1357,supervisor
""",
    "plates.csv": "code,kind,bin\nT1,tote,STAGE-IN\nP1,pallet,R-01-01\n",
    "stock.csv": """\
owner,sku,bin,qty,plate,lot,expires_on,serial,received_on
ACME,MUG,A-01-01,40,,,,,-30
ACME,MUG,R-01-01,288,P1,,,,-30
ACME,BAR,A-01-02,60,,L1,+90,,
ACME,GPS,A-01-02,1,,,,SN1,
""",
    "asns.csv": "owner,asn,supplier,expected_at,dock\nACME,ASN-1,Mill,today 09:00,DOCK-1\n",
    "asn_lines.csv": "owner,asn,line_no,sku,qty\nACME,ASN-1,1,MUG,480\n",
    "orders.csv": """\
owner,order,placed_at,carrier,city,country
ACME,O-1,today 08:15,PARCEL,Bonn,DE
""",
    "order_lines.csv": "owner,order,line_no,sku,qty\nACME,O-1,1,MUG,2\nACME,O-1,2,GPS,1\n",
}


def write_folder(directory: Path, **changed: str | None) -> Path:
    """The right folder; `changed` gives other text for a file (by its stem), None leaves it out."""
    for name, text in FILES.items():
        new = changed.get(name.removesuffix(".csv"), text)
        if new is not None:
            (directory / name).write_text(new, encoding="utf-8")
    return directory


def write_only(directory: Path, **files: str) -> Path:
    """A new folder of just these files."""
    directory.mkdir()
    for stem, text in files.items():
        (directory / f"{stem}.csv").write_text(text, encoding="utf-8")
    return directory


def with_row(file: str, row: str) -> str:
    """A file of the right folder with one more row."""
    return FILES[f"{file}.csv"] + row + "\n"
