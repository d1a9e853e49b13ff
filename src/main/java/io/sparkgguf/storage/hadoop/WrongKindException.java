package io.sparkgguf.storage.hadoop;

import java.io.IOException;

/** A folder where a file must be, or the other way round. */
final class WrongKindException extends IOException {
    private static final long serialVersionUID = 1L;

    WrongKindException(String reason) {
        super(reason);
    }
}
