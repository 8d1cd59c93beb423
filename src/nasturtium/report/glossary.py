"""Words that a newcomer meets in a report, explained."""

from nasturtium.report.data import ReportData

ALWAYS = {
    "Architecture": "The structure of a network: which operations it has and how they are connected.",
    "Search space": "All architectures that the search could choose from.",
    "Decision": "One of the choices that make an architecture, such as the operation on a connection.",
    "Random architectures": "Networks drawn at random from the same space and trained in the same way. A "
    "search that is no better than these was not worth its cost.",
    "Residual CNN": "An ordinary convolutional network with skip connections, as large as the found one. It "
    "shows what can be had without any search.",
    "Split": "A part of the images with one purpose. The test split takes no part in any choice.",
    "Standard error": "How much an accuracy would typically change with other test images of the same kind.",
    "Standard deviation": "How far the random architectures typically lie from their mean.",
    "Ledger": "What the run spent: time, passes through a network, images, epochs.",
    "Epoch": "One pass over the images of a split.",
    "Pass": "One batch of images going through a network: forward to get its answers, backward to learn.",
    "Seed": "The number from which all random choices follow. On the same machine it repeats the run.",
}
CELLS = {
    "Cell": "A small network block that is searched once and repeated many times in the whole network.",
    "Node": "A point in a cell where everything that enters is added up.",
    "Separable convolution": "A convolution that handles each channel by itself and then mixes the channels; "
    "cheaper than an ordinary one. 3×3 is the size of its window in pixels.",
    "Dilated convolution": "A convolution whose window has gaps, so that it sees further.",
    "Pooling": "Takes the largest (max) or mean (avg) value in a window.",
    "Skip connection": "Passes its input on unchanged.",
}
SUPERNET = {
    "Supernet": "One network that holds all candidate operations at once; its training tells them apart.",
}
PROBABILITIES = {
    "Probability": "How strongly the search favours an option; in the end the strongest ones are kept.",
}
ENTROPY = {
    "Entropy": "How undecided the search is: 100 % where it favours no option over another, 0 % where all is "
    "decided.",
}
CURVATURE = {
    "Curvature": "How sharply the loss changes with the architecture's parameters: the largest eigenvalue of "
    "its second derivative. A search whose curvature grows tends to end in architectures that train badly.",
}
TRIALS = {
    "Trial": "One proposed architecture, trained briefly or given the weights of a supernet, and measured "
    "on the validation images."
}


def terms(data: ReportData) -> dict[str, str]:
    """The words that this report uses, in alphabetical order."""
    words = dict(ALWAYS)
    if any("<-" in name for name in data.search_space.decisions):
        words |= CELLS
    if data.search_curve:
        words |= SUPERNET
    if any(epoch.probabilities for epoch in data.search_curve):
        words |= PROBABILITIES
    if any(epoch.entropy is not None for epoch in data.search_curve):
        words |= ENTROPY
    if any(epoch.eigenvalue is not None for epoch in data.search_curve):
        words |= CURVATURE
    if data.searched:
        words |= TRIALS
    return dict(sorted(words.items()))
