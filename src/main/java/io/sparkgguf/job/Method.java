package io.sparkgguf.job;

/** How weights are rounded to the grids of their types. */
public enum Method {
    /** To the nearest that the type's own search finds. */
    RTN("plain rounding"),
    /** The same with errors weighted by the mean square of each column's input. */
    IMATRIX("importance-weighted rounding"),
    /** Column by column, each one's error made up for by those that follow, in the metric of the inputs' Hessian. */
    GPTQ("GPTQ"),
    /** From there on, blocks trained on their grids until their outputs come close to the original ones. */
    QAT("GPTQ and training on the grid");

    private final String words;

    Method(String words) {
        this.words = words;
    }

    /** As options and reports spell it. */
    public String label() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Whether Hessians are made and rows solved. */
    boolean solves() {
        return this == GPTQ || this == QAT;
    }

    /** For people. */
    public String words() {
        return words;
    }
}
