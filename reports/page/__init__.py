"""report.html: one file that needs nothing else: scores on one scale, every case, clips beside the truth."""

from reports.page.compose import page_text, write_page

__all__ = ["page_text", "write_page"]
