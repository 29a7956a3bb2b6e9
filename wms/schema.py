"""Imports every room's tables so that the metadata is whole (migrations, drift test)."""

import wms.access.tables
import wms.carriers.tables
import wms.counting.tables
import wms.events.tables
import wms.exceptions.tables
import wms.files.tables
import wms.inbound.tables
import wms.inventory.tables
import wms.jobs.tables
import wms.masterdata.tables
import wms.outbound.tables
import wms.reconciliation.tables
import wms.replay
import wms.requests
import wms.tasks.tables
from wms.db import metadata

__all__ = ["metadata", "wms"]
