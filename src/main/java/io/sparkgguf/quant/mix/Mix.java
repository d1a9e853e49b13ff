package io.sparkgguf.quant.mix;

import static io.sparkgguf.tensor.BlockType.*;

import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.Optional;

/**
 * The mix of one file type: which tensors get more or fewer bits than the main type. Counts the tensors that it has seen,
 * so it is asked once for each, in the order of the file, and serves one selection only.
 *
 * <p>Source: llama-quantize of llama.cpp b10572, src/llama-quant.cpp. Its rules for fused {@code attn_qkv} are never
 * reached there, because such tensors are taken for {@code attn_v} first; so they are here.
 */
final class Mix {
    /** A type, and what in the model earned it; empty where the file type alone did. */
    record Pick(BlockType type, String because) {}

    private static final String SHARED_HEADS = "its heads serve four query heads or more";
    private static final String EIGHT_EXPERTS = "eight experts";

    private final FileType fileType;
    private final BlockType main;
    private final ModelFacts facts;
    private final int layers;
    private final int valueTensors;
    private final boolean tied;
    private final boolean importance;

    private int valuesSeen;
    private int downsSeen;
    private int gatesSeen;
    private int upsSeen;

    /**
     * @param layers layers of the model, by which feed-forward tensors are counted
     * @param valueTensors tensors of the model that hold attention's values
     * @param tied whether the model has no output matrix of its own, so that its embeddings serve as such
     * @param importance whether there is an importance matrix at all
     */
    Mix(FileType fileType, ModelFacts facts, int layers, int valueTensors, boolean tied, boolean importance) {
        this.fileType = fileType;
        this.main = fileType.mainType().orElseThrow();
        this.facts = facts;
        this.layers = layers;
        this.valueTensors = valueTensors;
        this.tied = tied;
        this.importance = importance;
    }

    /** The type of a tensor that the mix decides, and counts it; blocks of that type need not divide the rows. */
    Pick pick(InputTensor tensor, TensorRole role) {
        if (servesAsOutput(role)) {
            return because(role == TensorRole.OUTPUT ? "" : "it serves as output too", output());
        }
        if (fileType == FileType.MXFP4_MOE) {
            return expertsOnly(tensor, role);
        }
        if (role == TensorRole.TOKEN_EMBEDDING) {
            return because("", embedding());
        }
        if (isLattice()) {
            return lattice(role);
        }
        return switch (role) {
            case ATTENTION_V, ATTENTION_QKV, ATTENTION_KV_B -> values();
            case ATTENTION_K -> facts.experts() == 8 ? because(EIGHT_EXPERTS, Q8_0) : because("", queriesAndKeys());
            case ATTENTION_Q -> because("", queriesAndKeys());
            case ATTENTION_OUTPUT -> attentionOutput();
            case FFN_DOWN -> because("", down(layer(tensor, downsSeen++)));
            case FFN_GATE -> because("", gateOrUp(layer(tensor, gatesSeen++)));
            case FFN_UP -> because("", gateOrUp(layer(tensor, upsSeen++)));
            default -> because("", main);
        };
    }

    private static Pick because(String because, BlockType type) {
        return new Pick(type, because);
    }

    /**
     * The type instead of {@code wanted}, whose blocks do not divide the tensor's rows; empty when none is defined. The
     * output matrix never gets less than 8 bits for it.
     */
    Optional<BlockType> substitute(InputTensor tensor, TensorRole role, BlockType wanted) {
        BlockType from = servesAsOutput(role) && wanted == Q5_K ? Q6_K : wanted;
        return ShapeFallback.of(from, tensor.shape().columns());
    }

    private boolean servesAsOutput(TensorRole role) {
        return role == TensorRole.OUTPUT || tied && role == TensorRole.TOKEN_EMBEDDING;
    }

    private BlockType output() {
        if (fileType == FileType.MXFP4_MOE || facts.isFalcon() || main == Q8_0) {
            return Q8_0;
        }
        return isLattice() || fileType == FileType.IQ3_XXS ? Q5_K : Q6_K;
    }

    private Pick expertsOnly(InputTensor tensor, TensorRole role) {
        // projections of latent attention are stacks too; in this architecture they are told from experts by name
        boolean expert = tensor.isStack()
                && (!facts.architecture().equals("bailingmoe3")
                        || role == TensorRole.FFN_UP
                        || role == TensorRole.FFN_GATE
                        || role == TensorRole.FFN_DOWN);
        return because("", expert ? MXFP4 : Q8_0);
    }

    private BlockType embedding() {
        return switch (fileType) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS -> Q2_K;
            case IQ2_S, IQ2_M, IQ3_XXS -> IQ3_S;
            case TQ1_0, TQ2_0, Q2_0 -> Q4_K;
            default -> main;
        };
    }

    /** The mixes of about two bits and less share their rules; the larger ones on a lattice do not belong to them. */
    private boolean isLattice() {
        return switch (fileType) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M -> true;
            default -> false;
        };
    }

    private Pick lattice(TensorRole role) {
        BlockType better = fileType == FileType.IQ2_S || fileType == FileType.IQ2_M ? IQ3_S : Q2_K;
        if (role.holdsValues()) {
            valuesSeen++;
            if (facts.headsPerKeyValueHead() >= 4) {
                return because(SHARED_HEADS, Q4_K);
            }
            return facts.experts() >= 4 ? because("four experts or more", Q4_K) : because("", better);
        }
        return switch (role) {
            case ATTENTION_K -> facts.experts() == 8 ? because(EIGHT_EXPERTS, Q4_K) : because("", main);
            case FFN_DOWN -> because("", downsSeen++ < layers / 8 ? better : main);
            case ATTENTION_OUTPUT -> {
                if (facts.experts() == 8) {
                    yield because(EIGHT_EXPERTS, Q5_K);
                }
                yield because(
                        "",
                        switch (fileType) {
                            case IQ1_S, IQ1_M -> IQ2_XXS;
                            case IQ2_S, IQ2_M -> IQ3_S;
                            default -> main;
                        });
            }
            default -> because("", main);
        };
    }

    private Pick values() {
        int seen = valuesSeen++;
        if (facts.experts() == 8) {
            return because(EIGHT_EXPERTS, Q8_0);
        }
        boolean shared = facts.headsPerKeyValueHead() >= 4;
        BlockType type = switch (fileType) {
            case Q2_K -> shared ? Q4_K : Q3_K;
            case Q2_K_S, IQ3_XS, IQ3_S -> shared ? Q4_K : main;
            case IQ3_XXS -> shared ? Q4_K : importance ? IQ3_XXS : IQ3_S;
            case IQ3_M -> Q4_K;
            case Q3_K_M -> seen < 2 ? Q5_K : Q4_K;
            case Q3_K_L -> Q5_K;
            case IQ4_NL, IQ4_XS -> shared ? Q5_K : main;
            case Q4_K_S -> seen < 4 ? Q5_K : main;
            case Q4_K_M, Q5_K_M -> earnsMoreBits(seen, valueTensors) ? Q6_K : main;
            default -> main;
        };
        if (facts.is70B() && (type == Q3_K || type == Q4_K)) {
            return because("small beside the rest of a 70B model", Q5_K);
        }
        boolean becauseShared = switch (fileType) {
            case Q2_K, Q2_K_S, IQ3_XXS, IQ3_XS, IQ3_S, IQ4_NL, IQ4_XS -> shared;
            default -> false;
        };
        return because(becauseShared ? SHARED_HEADS : "", type);
    }

    private BlockType queriesAndKeys() {
        return switch (fileType) {
            case IQ3_XS -> IQ3_XXS;
            case IQ3_XXS -> IQ2_S;
            default -> main;
        };
    }

    private Pick attentionOutput() {
        if (facts.isFalcon()) {
            return because("", fileType == FileType.Q3_K_L ? Q4_K : main);
        }
        if (facts.experts() == 8) {
            return switch (fileType) {
                case Q2_K, IQ3_XS, IQ3_XXS, Q3_K_S, Q3_K_M, IQ4_NL, Q4_K_S, Q4_K_M, IQ3_S, IQ3_M, IQ4_XS ->
                    because(EIGHT_EXPERTS, Q5_K);
                default -> because("", main);
            };
        }
        return because(
                "",
                switch (fileType) {
                    case Q2_K -> Q3_K;
                    case IQ3_XXS -> IQ3_S;
                    case Q3_K_M, IQ3_M -> Q4_K;
                    case Q3_K_L -> Q5_K;
                    default -> main;
                });
    }

    private BlockType down(int layer) {
        boolean falcon = facts.isFalcon();
        boolean first = layer < layers / 8;
        boolean more = earnsMoreBits(layer, layers);
        return switch (fileType) {
            case Q2_K -> Q3_K;
            case Q2_K_S -> first ? Q4_K : main;
            case IQ3_XXS -> importance ? main : first ? Q4_K : Q3_K;
            case Q3_K_M -> layer < layers / 16 ? Q5_K : !falcon || more ? Q4_K : Q3_K;
            case IQ3_M -> first || facts.experts() == 8 && more ? Q4_K : main;
            case Q3_K_L -> falcon ? Q4_K : Q5_K;
            case Q4_K_M -> {
                if (falcon) {
                    yield layer < layers / 16 ? Q6_K : more ? Q5_K : Q4_K;
                }
                yield more ? Q6_K : main;
            }
            case Q5_K_M -> more ? Q6_K : main;
            case IQ4_NL, IQ4_XS -> first && !importance ? Q5_K : main;
            case Q4_K_S -> first && !falcon ? Q5_K : main;
            // with a minimum, the first layers survive being rounded by importance
            case Q4_0 -> first && importance ? Q4_1 : main;
            case Q5_0 -> first && importance ? Q5_1 : main;
            default -> main;
        };
    }

    private BlockType gateOrUp(int layer) {
        boolean middle = layer >= layers / 8 && layer < 7L * layers / 8;
        return fileType == FileType.IQ3_XS && middle ? IQ3_XXS : main;
    }

    /** The first and the last eighth, and every third between. */
    private static boolean earnsMoreBits(int index, int count) {
        int eighth = count / 8;
        return index < eighth || index >= 7L * count / 8 || (index - eighth) % 3 == 2;
    }

    /** The tensor's place: by count in dense models, by name in mixtures of experts, where tensors may be split by expert. */
    private int layer(InputTensor tensor, int counted) {
        if (facts.experts() <= 1) {
            return counted;
        }
        int layer = TensorOrder.layer(tensor.name())
                .orElseThrow(() -> new InvalidInputException("Cannot choose a type for " + tensor.name()
                        + ": the name of a feed-forward tensor in a model of experts must start with blk.N"));
        if (layer >= layers) {
            throw new InvalidInputException("Cannot choose a type for " + tensor.name()
                    + ": its layer is not below the " + layers + " of the model");
        }
        return layer;
    }
}
