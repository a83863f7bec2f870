"""The pricing lab: what pictures and photos cost, and why. No key, no network, nothing is spent.

Every amount here comes from `pricing.quote` or `pricing.bill` for a request that is kept beside
it (`priced.Priced`), so the lab cannot disagree with a quote. The modules:

    priced     a request with its price; what the others pass around
    figures    a plot as values: question, answer in words, lines, table
    atlas      every legal size of a model, as a map
    advise     money to the best request, on the frontier of cost and pixels
    explain    a quote step by step, with the numbers in place
    whatif     cost against photos, model, detail, resize, answer, tier
    history    prices over time; a gallery at another day's prices
    claims     figures that were published, recomputed
    detective  a bill back to its request
    coach      the same prompt in fewer tokens
    board      the challenge clubs, from the gallery's own bills
    exercises  questions whose answers come from the rules
    classroom  progress, and the teacher's key
"""
