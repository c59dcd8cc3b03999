console.log('hello', 1, { a: [1, 2, { b: new Map([[1, 2]]) }] });
