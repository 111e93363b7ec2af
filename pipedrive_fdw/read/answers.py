"""The answers of a scan's calls: pages of lists, and look-ups side by side, some of which may be refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipedrive_fdw.api.offset import Rank
from pipedrive_fdw.api.waiting import ordered_map
from pipedrive_fdw.catalog.model import NONE, Get, Listing, Operation, Table
from pipedrive_fdw.errors import AccessError, ApiError, NotFoundError, PipedriveError, ProtocolError
from pipedrive_fdw.plan.paths import Call
from pipedrive_fdw.session.list_pages import Held, Prefetch, list_pages
from pipedrive_fdw.session.refusals import explained, is_final, is_gone, means_absence, names_record
from pipedrive_fdw.session.request_scope import RequestScope
from pipedrive_fdw.table.records import Record, found_record

# Records with the echo of the call that gave them.
Batch = tuple[list[Record], Mapping[str, Any]]


class Answers:
    """Of the calls of one scan of *table*, some of which *prefetch* asks for ahead; *rank* as in
    api.paging.pages, for its lists."""

    def __init__(
        self, requests: RequestScope, table: Table, prefetch: Prefetch, rank: Rank | None = None
    ) -> None:
        self.requests = requests
        self.table = table
        self.prefetch = prefetch
        self._rank = rank

    def pages(
        self,
        listing: Listing,
        call: Call,
        first: Mapping[str, Any] | None = None,
        *,
        to_end: bool = True,
        through: Held | None = None,
        afresh: bool = False,
    ) -> Iterator[Batch]:
        """All pages of *call*; *first* is the answer of the first page where it is there already.

        They are asked for ahead, by *through* where that is given; unless they are read *to_end*, not at all.
        *afresh* as in list_pages().
        """
        try:
            found = list_pages(
                self.requests,
                listing,
                call,
                first=first,
                rank=self._rank,
                prefetch=(through or self.prefetch) if to_end else None,
                afresh=afresh,
            )
            for page in found:
                yield page, call.echo
        except PipedriveError as error:
            raise explained(error, self.table) from None

    def _side_by_side(self, op: Operation, calls: Iterable[Call]) -> Iterator[tuple[Call, Any]]:
        """(call, envelope or the ApiError of its status) in the order of *calls*."""

        width, interrupts = self.prefetch.width, self.requests.session.interrupts
        try:
            for call, result in ordered_map(self.requests.start, calls, width, interrupts):
                yield call, self.requests.finish(call, result)
        except ProtocolError as error:
            raise explained(error, self.table) from None

    def gets(self, get: Get, calls: Iterable[Call]) -> Iterator[Batch]:
        """The records of *calls*. One that is refused is passed over, as lists leave out what the token's
        user may not see, unless the whole table is refused; so is one that is not there, unless it may be the
        operation that is not."""
        refused: ApiError | None = None
        for call, answer in self._side_by_side(get, calls):
            if isinstance(answer, NotFoundError) and means_absence(answer, self.table):
                continue
            if isinstance(answer, (NotFoundError, AccessError)) and not self._is_whole(answer):
                refused = refused or answer
                if isinstance(answer, AccessError):
                    self._pass_over(call)
                continue
            if isinstance(answer, PipedriveError):
                raise explained(answer, self.table)
            yield [found_record(answer, self.table, get, call.where)], call.echo
        if refused is not None and not self._can_be_read(get, isinstance(refused, NotFoundError)):
            raise explained(refused, self.table)

    def _can_be_read(self, get: Get, otherwise: bool) -> bool:
        """True if the table has answered in this statement, or its list does now; *otherwise* where it has no
        list that can be asked."""
        known = self.requests.session.memory.answered
        if any((op.version, op.path) in known for op in (get, *self.table.listings)):
            return True
        for listing in self.table.listings:
            if not listing.placeholders and not any(f.required for f in listing.filters):
                limit = () if listing.paging == NONE else (("limit", "1"),)
                call = Call(listing, listing.path, (*listing.params.items(), *limit))
                next(self.pages(listing, call))  # raises when it is refused too
                return True
        return otherwise

    def of_parents(self, listing: Listing, calls: Iterable[Call], walked: bool = False) -> Iterator[Batch]:
        """The rows of parents. One that is gone or refuses is passed over when another answers.

        When none answers: a parent that the query named may be gone, but of those that were just listed
        (*walked*) not all can be, and a refusal by every one is that of the account.
        """
        missing: ApiError | None = None
        refused: ApiError | None = None
        answered = False
        # A batch leaves out the parents that it does not find, so its refusal is not about one of them
        batched = any(f.required and f.shape == "in" for f in listing.filters)
        for call, answer in self._side_by_side(listing, calls):
            passed = isinstance(answer, ApiError) and not (batched or self._is_whole(answer))
            if isinstance(answer, NotFoundError) and passed:
                if listing.rows == "*" and names_record(answer):
                    continue  # the parent has not the one record that it can have
                missing = missing or answer
                self._pass_over(call)
            elif isinstance(answer, AccessError) and passed:
                refused = refused or answer
                self._pass_over(call)
            elif isinstance(answer, PipedriveError):
                raise explained(answer, self.table)
            else:
                answered = True
                yield from self.pages(listing, call, answer)
        if walked:
            refused = refused or missing
        if refused is not None and not answered:
            raise explained(refused, self.table)

    def _pass_over(self, call: Call) -> None:
        """Notes the parent, or the record of a table without one, that *call* asked for."""
        column = self.table.key[0] if self.table.parent is None else self.table.parent.column
        if column in call.echo:
            self.requests.session.passed_over.current()[self.table.name].add(str(call.echo[column]))

    def _is_whole(self, error: ApiError) -> bool:
        """True if a refusal is that of the table, whichever record it was asked about."""
        return is_final(error) or is_gone(error) or (self.table.removed and error.status == 410)
