"""Lines of CSV as the sample files write them: commas, and quotes where a value needs them."""


def csv_line(*cells: str) -> str:
    """Return the line with its line end."""
    return ",".join(map(quoted_where_needed, cells)) + "\n"


def quoted_where_needed(cell: str) -> str:
    """Return the value as it stands in a file."""
    if any(character in cell for character in ',"\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell
