"""The body of a form: its fields, then its file, which is read as it arrives."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from python_multipart.multipart import MultipartParser, parse_options_header

from amazonian.s3.errors import S3Error

LARGEST_FIELDS_BYTES = 2**20
NOT_A_FORM = "The body of your POST request is not well-formed multipart/form-data."


@dataclass
class Form:
    """A form's fields by lower-case name, and its file, which comes last and is streamed."""

    fields: dict[str, str] = field(default_factory=dict)
    file_name: str = ""
    file_type: str = ""
    content: Iterable[bytes] = ()


class FormReader:
    """Feeds a multipart parser, and gives the file's bytes as they come out of it."""

    def __init__(self, boundary: bytes, chunks: Iterable[bytes]):
        self._chunks = iter(chunks)
        self._pieces: list[bytes] = []
        self._value = bytearray()
        self._headers: dict[str, str] = {}
        self._name = self._header_name = self._header_value = b""
        self._size = 0
        self.form = Form()
        self.in_file = self.ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begins,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value_part,
                "on_header_end": self._header_ends,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_ends,
                "on_end": self._form_ends,
            },
        )

    def read_fields(self) -> Form:
        """All fields before the file.

        Raises:
            S3Error: ``MalformedPOSTRequest``, ``InvalidArgument`` (no file).
        """
        while not self.in_file and self._feed():
            pass
        if not self.in_file:
            raise S3Error(
                "InvalidArgument",
                "POST requires exactly one file upload per request.",
                ArgumentName="file",
                ArgumentValue="0",
            )
        self.form.content = self._file()
        return self.form

    def _file(self) -> Iterator[bytes]:
        while True:
            yield from self._pieces
            self._pieces.clear()
            if self.ended:
                return
            if not self._feed():
                raise S3Error("IncompleteBody")

    def _feed(self) -> bool:
        chunk = next(self._chunks, None)
        if chunk is None:
            return False
        try:
            self._parser.write(chunk)
        except ValueError as error:
            raise S3Error("MalformedPOSTRequest", NOT_A_FORM) from error
        return True

    def _part_begins(self) -> None:
        self._headers, self._value = {}, bytearray()

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > LARGEST_FIELDS_BYTES:
            raise S3Error("MaxPostPreDataLengthExceeded", "Your POST request fields are too large.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_name += data[start:end]

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header_value += data[start:end]

    def _header_ends(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        self._headers[name] = self._header_value.decode(errors="replace")
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", ""))
        self._name = options.get(b"name", b"")
        if self._name.lower() == b"file" and not self.in_file:
            self.in_file = True
            self.form.file_name = options.get(b"filename", b"").decode(errors="replace")
            self.form.file_type = self._headers.get("content-type", "")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self.in_file:
            if not self.ended:
                self._pieces.append(bytes(data[start:end]))
            return
        self._count(end - start)
        self._value += data[start:end]

    def _part_ends(self) -> None:
        if self.in_file:
            self.ended = True
        else:
            name = self._name.decode(errors="replace").lower()
            self.form.fields.setdefault(name, self._value.decode(errors="replace"))

    def _form_ends(self) -> None:
        self.ended = True
