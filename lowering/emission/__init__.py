"""From a judged part to a validated NNAPI model: rules write operations into a draft."""
