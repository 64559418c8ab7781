"""What bench.py compares."""
BEST = "best"  # of the dtypes that a side has


def dtypes(wanted):
    return wanted if isinstance(wanted, tuple) else (wanted,)


class Comparison:
    """ours (a dtype, several, or BEST) against peer (a name, and dtypes or BEST) in `figure`, at least `target` times as
    fast."""

    def __init__(self, ours, peer, peer_dtype, target=None, figure="tokens_per_s"):
        self.ours, self.peer, self.peer_dtype, self.target, self.figure = ours, peer, peer_dtype, target, figure

    def pair(self, scouted):
        """The fastest side of ours and of the peer's, None where there is none. scouted: side -> its measurement."""
        def pick(name, wanted):
            candidates = [s for s in scouted if s.name == name and (wanted == BEST or s.dtype in dtypes(wanted))]
            return max(candidates, key=lambda s: figure_of(scouted[s], self.figure), default=None)

        return pick("ponder", self.ours), pick(self.peer, self.peer_dtype)


def figure_of(result, figure):
    return result["tokens"] / result["seconds"] if figure == "tokens_per_s" else result[figure]
