package io.sparkgguf.quant.mix;

/** Why a tensor has the type that it has. */
public enum Rule {
    /** Never quantized (norms, vectors, routers, small or positional tensors): stays as it is, or as the model asks. */
    KEPT,
    /** Copied because everything is, or because it holds integers or double-precision numbers. */
    COPY,
    /** The file type's main type. */
    DEFAULT,
    /** Another type, which the file type's mix gives to this tensor. */
    MIX,
    /** The type of least error that the target's size allows. */
    BUDGET,
    /** A pattern of {@code --tensor-type}. */
    OVERRIDE,
    /** {@code --output-tensor-type} or {@code --leave-output-tensor}. */
    OUTPUT_OPTION,
    /** {@code --token-embedding-type}. */
    EMBEDDING_OPTION,
    /** A substitute: the wanted type's blocks do not divide the rows. */
    FALLBACK
}
